import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { merchantKey } from '@signalbox/contracts/keys'
import { encodeQuarantineHeaders } from '@signalbox/contracts/quarantine-record'
import { encodeRawHeaders } from '@signalbox/contracts/raw-record'
import { topics } from '@signalbox/contracts/topics'
import { readTopic } from '@signalbox/kafka/log-reader'
import { partitionOf } from '@signalbox/kafka/partition'
import { openProducer, type Producer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { runVerb } from '../cli.fixture.ts'
import { silent } from '../silent.ts'
import { createQuarantineListVerb } from './list.ts'
import { createQuarantineRedriveVerb } from './redrive.ts'
import { createQuarantineShowVerb } from './show.ts'

declare module 'vitest' {
  interface ProvidedContext {
    kafkaBrokers: string[]
  }
}

/** As the other tests that use the topics by their real names. */
const partitions = 12
const brokers = inject('kafkaBrokers')
const kafka = { brokers, tls: false, partitions, replication: 1, createTopics: true }
const env = { KAFKA_BROKERS: brokers.join(','), TOPIC_PARTITIONS: String(partitions), TOPIC_REPLICATION: '1' }
const list = (...args: string[]) => runVerb(createQuarantineListVerb(env), ...args)
const show = (...args: string[]) => runVerb(createQuarantineShowVerb(env), ...args)
const redrive = (...args: string[]) => runVerb(createQuarantineRedriveVerb(env), ...args)

let producer: Producer
let folder: string
let clientId: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-quarantine-'))
  await ensureTopics(kafka, [topics.raw, topics.quarantine], { log: silent })
  producer = await openProducer(kafka, { clientId: 'cli-test', log: silent })
})
afterAll(async () => {
  await producer[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(() => {
  clientId = `T_${randomUUID()}`
})

/** Leaves a notification in raw and in quarantine, as a processor does; its position there. */
async function setAside(of: { reason: string; merchant?: string | null; body?: string | Buffer }) {
  const { reason, merchant = 'M1' } = of
  const key = merchant === null ? `${clientId}//R1` : merchantKey({ clientId, referenceMerchantId: merchant })
  const headers = encodeRawHeaders({
    kind: 'notification',
    notificationId: randomUUID(),
    requestUri: '/notify',
    clientId,
    requestTime: '1704135845000',
    requestTimeMs: 1_704_135_845_000,
    signature: 's',
    keyVersion: '1',
    dialect: 'ams',
    push: false,
    traceparent: null,
  })
  const ids = merchant === null ? { registrationRequestId: 'R1' } : { referenceMerchantId: merchant }
  const value = of.body ?? JSON.stringify(ids)
  const record = { topic: topics.raw.name, partition: partitionOf(key, partitions), key, value, headers }
  const [offset = -1n] = await producer.publish([record], { deadlineMs: 30_000 })
  const { topic, partition } = record
  const note = {
    origin: { topic, partition, offset: String(offset), timestampMs: Date.now() },
    reason,
    where: '',
  }
  const aside = encodeQuarantineHeaders(new Map(Object.entries(headers)), note)
  const [at = -1n] = await producer.publish([{ ...record, topic: topics.quarantine.name, headers: aside }], {
    deadlineMs: 30_000,
  })
  return `${partition}-${at}`
}

const putBack = async () =>
  (await readTopic(kafka, topics.raw.name)).filter(
    ({ headers }) => headers.has('replayed-from') && headers.get('client-id')?.toString() === clientId,
  )

test('list tells of each record where it stands and why, and how many there are', async () => {
  const first = await setAside({ reason: 'wrong_type' })
  const second = await setAside({ reason: 'too_deep', merchant: 'M2' })
  const { exitCode, stdout } = await list('--client', clientId)
  const lines = stdout.trimEnd().split('\n')
  expect([exitCode, lines.length]).toEqual([0, 4])
  expect(lines[0]).toMatch(/^POSITION +SET ASIDE +REASON +CLIENT/)
  expect(lines[1]).toMatch(new RegExp(`^${second} .* too_deep +${clientId}`))
  expect(lines[2]).toMatch(new RegExp(`^${first} .* wrong_type +${clientId}`))
  expect(lines[3]).toBe('2 set aside: too_deep 1, wrong_type 1.')
  expect((await list('--client', clientId, '--limit', '1')).stdout).toContain('the newest 1')
  expect(await list('--client', clientId, '--reason', 'over_age')).toMatchObject({
    exitCode: 0,
    stdout: 'Nothing is set aside.\n',
  })
})

test('show tells the reason, what to do, the headers and the body', async () => {
  const position = await setAside({ reason: 'unattributable', merchant: null })
  const { exitCode, stdout } = await show(position)
  expect(exitCode).toBe(0)
  for (const text of [
    `Position             ${position}`,
    'Meaning              The notification names no merchant',
    'put it back with --attributed-to',
    'Request id           R1',
    'Redrive              not possible: it names no merchant',
    '  dialect            ams',
    'Body, 30 bytes:\n{"registrationRequestId":"R1"}\n',
  ]) {
    expect(stdout).toContain(text)
  }
})

test('show writes bytes that are no text in hexadecimal, and into a file as they are', async () => {
  const bytes = Buffer.from([...Buffer.from('abcdefghijklmnop'), 0xff, 0x1b])
  const position = await setAside({ reason: 'not_json_object', body: bytes })
  const { stdout } = await show(position)
  expect(stdout).toContain('00000000  61 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e 6f 70  abcdefghijklmnop')
  expect(stdout).toMatch(/^00000010 {2}ff 1b +\.\.$/m)
  const file = join(folder, 'bytes')
  expect((await show(position, '--out', file)).stdout).toContain(`Its 18 bytes are in ${file}.`)
  expect(readFileSync(file)).toEqual(bytes)
})

test('redrive puts back what is selected, tells the counts, and does it once', async () => {
  await setAside({ reason: 'wrong_type' })
  await setAside({ reason: 'wrong_type', merchant: 'M2' })
  const selection = ['--reason', 'wrong_type', '--client', clientId]
  const dry = await redrive(...selection, '--dry-run')
  expect(dry).toMatchObject({ exitCode: 0, stdout: 'Selected: 2 (wrong_type 2).\nWould be put back: 2.\n' })
  expect(await putBack()).toEqual([])
  expect((await redrive(...selection)).stdout).toContain('Put back: 2.')
  const again = await redrive(...selection)
  expect(again.exitCode).toBe(0)
  expect(again.stdout).toContain('Put back: 0.\nLeft alone: 2, put back before.')
  expect(await putBack()).toHaveLength(2)
})

test('redrive of what names no merchant asks for it, and puts it under the one that is named', async () => {
  const position = await setAside({ reason: 'unattributable', merchant: null })
  const refused = await redrive(position)
  expect(refused.exitCode).toBe(1)
  expect(refused.stdout).toContain('Cannot be put back: 1, it names no merchant')
  expect(await redrive(position, '--attributed-to', 'M 9')).toMatchObject({ exitCode: 0 })
  expect((await putBack()).map(({ key }) => key)).toEqual([`${clientId}/M%209`])
})

test('redrive names a merchant for one request id, and for no selection that may hold several', async () => {
  await setAside({ reason: 'unattributable', merchant: null })
  await setAside({ reason: 'unattributable', merchant: null, body: '{"registrationRequestId":"R2"}' })
  const of = ['--client', clientId, '--reason', 'unattributable', '--attributed-to', 'M 9']
  const refused = await redrive(...of)
  expect([refused.exitCode, refused.stdout]).toEqual([1, ''])
  expect(refused.stderr).toMatch(/notifications of several: give a position, or the request id/)
  expect(await redrive(...of, '--request-id', 'R2')).toMatchObject({ exitCode: 0 })
  expect((await putBack()).map(({ value }) => String(value))).toEqual(['{"registrationRequestId":"R2"}'])
  expect((await list('--client', clientId, '--request-id', 'R1')).stdout).toContain('1 set aside:')
})

test.each([
  [['quarantine show', '11-999999999'], /Nothing stands at 11-999999999/],
  [['quarantine redrive', '11-999999999'], /Nothing stands there/],
  [['quarantine redrive'], /What to put back is not said/],
  [['quarantine redrive', '1-1', '--reason', 'wrong_type'], /leave out --reason/],
  [['quarantine redrive', '--reason', 'wrong'], /not a reason; they are over_age/],
  [['quarantine list', '--from', 'yesterday'], /not a time with its offset/],
])('%j ends with exit code 1 and says what to do', async ([verb, ...args], message) => {
  const run = { 'quarantine show': show, 'quarantine redrive': redrive }[verb ?? ''] ?? list
  const { exitCode, stderr } = await run(...args)
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(message)
})

test('with another number of partitions than the topics have nothing is done', async () => {
  const verb = createQuarantineRedriveVerb({ ...env, TOPIC_PARTITIONS: '5' })
  const { exitCode, stderr } = await runVerb(verb, '--reason', 'wrong_type')
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(/TOPIC_PARTITIONS/)
})
