import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseSignatureHeader, verifySignature } from '@signalbox/alipay/signature'
import { type InquiryHeaders, parseInquiryHeaders } from '@signalbox/contracts/inquiry-record'
import { merchantKey, type RegistrationRef } from '@signalbox/contracts/keys'
import { readRecord } from '@signalbox/contracts/read-record'
import { topics } from '@signalbox/contracts/topics'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { readTopic } from '@signalbox/kafka/log-reader'
import { partitionOf } from '@signalbox/kafka/partition'
import { loadClientDirectory } from '@signalbox/key-ring/client-directory'
import { openRegistrationStore } from '@signalbox/registration-store/registration-store'
import { expect, inject, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { namedRegistration } from '../named-registration.fixture.ts'
import { clientIds, type Simulator, startSimulator, truth } from './simulator.fixture.ts'

const program = fileURLToPath(new URL('../main.ts', import.meta.url))
const kafka: KafkaConfig = {
  brokers: inject('kafkaBrokers'),
  tls: false,
  partitions: 12,
  replication: 1,
  createTopics: true,
}
const redisUrl = inject('redisUrl')
const silent = { info: () => {}, warn: () => {} }
const waiting = { timeout: 20_000, interval: 250 }

test('a doubtful registration is asked about, by one of two consoles, and its answer stands in Kafka as received', async () => {
  const merchant = `M-${randomUUID()}`
  const registration = {
    clientId: clientIds.alipayplus,
    referenceMerchantId: merchant,
    referenceStoreId: 'S1',
  }
  await using simulator = await startSimulator([
    truth({ clientId: clientIds.alipayplus, merchant, store: 'S1', status: 'REJECTED' }),
  ])
  const keyPrefix = await writeDoubt(registration)
  // A forged answer comes first: it must leave no trace in the topic.
  await simulator.order('wrong_key')
  const consoles = [
    await startConsole({ simulator, keyPrefix }),
    await startConsole({ simulator, keyPrefix }),
  ]
  await expect.poll(() => outcomesOf(consoles), waiting).toEqual(['forged'])
  expect(await answersAbout(merchant)).toEqual([])

  const [first] = consoles
  expect(await first?.wish(registration)).toBe(202)
  await expect.poll(() => answersAbout(merchant), waiting).toHaveLength(1)
  expect(outcomesOf(consoles)).toEqual(['forged', 'answered'])

  const [record] = await answersAbout(merchant)
  expect(record).toMatchObject({
    key: merchantKey(registration),
    partition: partitionOf(merchantKey(registration), kafka.partitions),
    headers: { askedMerchantId: merchant, askedStoreId: 'S1', askedRequestId: 'R1' },
  })
  expect(record?.isGenuine(simulator)).toBe(true)
  expect(record?.said).toMatchObject({
    kind: 'statement',
    statement: {
      kind: 'inquiry',
      registration,
      round: 'R1',
      collective: 'COMPLETED',
      entries: [{ pspName: 'GCASH', productCode: 'CASHIER_PAYMENT', status: 'REJECTED' }],
    },
  })
  for (const running of consoles) expect(await running.end()).toBe(0)
})

/** Saves a registration with a warn flag as the processor does, under a key prefix of its own. */
async function writeDoubt(registration: RegistrationRef): Promise<string> {
  const keyPrefix = `test-${randomUUID()}:`
  const { clientId, referenceMerchantId: merchant, referenceStoreId: store } = registration
  await using view = await openRegistrationStore({ url: redisUrl, keyPrefix, log: silent })
  const saved = await view.save({
    partition: partitionOf(merchantKey(registration), kafka.partitions),
    expected: null,
    next: 'w1',
    registrations: [namedRegistration({ clientId, merchant, store, round: 'R1', flags: ['reversal'] })],
    removed: [],
    attention: [{ kind: 'doubtful', registration, sinceMs: Date.now() }],
    counted: null,
  })
  expect(saved).toEqual({ kind: 'saved' })
  return keyPrefix
}

async function answersAbout(merchant: string) {
  const records = await readTopic(kafka, topics.raw.name)
  return records.flatMap((record) => {
    const headers = parseInquiryHeaders(record.headers)
    if (headers?.askedMerchantId !== merchant) return []
    const { key, partition } = record
    const isGenuine = (simulator: Simulator) => verifies(simulator, headers, record.value)
    return [{ key, partition, headers, said: readRecord(record), isGenuine }]
  })
}

/** Whether the record alone proves what Alipay said: nothing but the client's public key is needed beside it. */
function verifies({ clientsFile }: Simulator, headers: InquiryHeaders, body: Buffer | null): boolean {
  const { clientId, requestUri: uri, requestTime: time, keyVersion } = headers
  const keys = loadClientDirectory(clientsFile).find(clientId)?.verifyingKeys
  const key = keys?.find(({ version }) => version === keyVersion)?.key
  const signature = parseSignatureHeader(headers.signature)?.signature
  if (key === undefined || signature === undefined || body === null) return false
  return verifySignature({ uri, clientId, time, body }, signature, key)
}

const line = z.object({ msg: z.string(), port: z.number().optional(), outcome: z.string().optional() })

async function startConsole({ simulator, keyPrefix }: { simulator: Simulator; keyPrefix: string }) {
  const token = 'a-token'
  const tokensFile = join(simulator.folder, 'console-tokens.json')
  const sha256 = createHash('sha256').update(token).digest('hex')
  writeFileSync(tokensFile, JSON.stringify({ tokens: [{ sha256, role: 'operator', clients: '*' }] }))
  const child = spawn(process.execPath, [program], {
    env: {
      LISTEN_HOST: '127.0.0.1',
      CONSOLE_PORT: '0',
      OPS_PORT: '0',
      KAFKA_BROKERS: kafka.brokers.join(','),
      KAFKA_CREATE_TOPICS: 'true',
      TOPIC_PARTITIONS: String(kafka.partitions),
      TOPIC_REPLICATION: '1',
      REDIS_URL: redisUrl,
      REDIS_KEY_PREFIX: keyPrefix,
      API_TOKENS_FILE: tokensFile,
      INQUIRY: 'true',
      CLIENTS_FILE: simulator.clientsFile,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const outcomes: string[] = []
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the console ended with ${code}`)))
    createInterface({ input: child.stdout }).on('line', (text) => {
      const { msg, port: listening, outcome } = line.parse(JSON.parse(text))
      if (msg === 'console.listening' && listening !== undefined) resolve(listening)
      if (msg === 'inquiry.asked' && outcome !== undefined) outcomes.push(outcome)
    })
  })
  return {
    outcomes,
    async wish({ referenceStoreId, ...merchant }: RegistrationRef): Promise<number> {
      const answer = await fetch(`http://127.0.0.1:${port}/v1/inquiries`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ ...merchant, referenceStoreId }),
      })
      return answer.status
    },
    end: () => ended(child),
  }
}

function outcomesOf(consoles: readonly { outcomes: readonly string[] }[]): string[] {
  return consoles.flatMap(({ outcomes }) => outcomes)
}

function ended(child: ChildProcess): Promise<number | null> {
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  return exit
}
