import { topics } from '@signalbox/contracts/topics'
import { kafkaConfig, kafkaEnv } from '@signalbox/kafka/config'
import { createVerb } from '@signalbox/runtime/command-line'
import { type Environment, parseEnvironment } from '@signalbox/runtime/config'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'
import { clientsFileOf, clientsFileOption } from '../clients-file-option.ts'
import { printLine } from '../print-line.ts'
import { readBytes } from '../read-bytes.ts'
import { type CapturedRequest, parseCapturedRequest } from './captured-request.ts'
import { judge } from './judge.ts'
import { type KnownKeys, knownKeysOfFile, loneKey } from './known-keys.ts'
import { openProgress } from './progress.ts'
import { verifyTopic } from './verify-topic.ts'

const text = z.string().optional()

const options = z.object({
  request: text.meta({
    value: 'FILE',
    description: 'one captured request, raw: head, blank line, body; - reads standard input',
  }),
  uri: text.meta({ value: 'URI', description: 'instead of --request: its path with the query, as sent' }),
  clientId: text.meta({ value: 'ID', description: 'and its header Client-Id' }),
  requestTime: text.meta({ value: 'TEXT', description: 'and its header Request-Time' }),
  signature: text.meta({ value: 'TEXT', description: 'and its header Signature' }),
  body: text.meta({ value: 'FILE', description: 'and its body, byte for byte; - reads standard input' }),
  topic: z
    .boolean()
    .default(false)
    .meta({ description: `every record of ${topics.raw.name}` }),
  quarantine: z
    .boolean()
    .default(false)
    .meta({ description: `every notification in ${topics.quarantine.name}` }),
  file: clientsFileOption,
  publicKey: text.meta({ value: 'FILE', description: "instead of --file: Alipay's public key alone" }),
})

type Options = z.output<typeof options>

export const createVerifyVerb = (env: Environment) =>
  createVerb({
    name: 'verify',
    about: 'Verifies captured notifications offline, and says which part of the signed text differs.',
    more: [
      'Give one captured request (--request, or its parts), or --topic and --quarantine for what the ingress has stored.',
      'Keys come from the clients file, retired ones too, or from --public-key.',
      'Topics are read from the Kafka that KAFKA_BROKERS, KAFKA_TLS and the variables KAFKA_SASL_… name.',
      'Exit code 0 when everything verifies, 1 otherwise.',
    ].join('\n'),
    options,
    async run(given) {
      const names = [
        ...(given.topic ? [topics.raw.name] : []),
        ...(given.quarantine ? [topics.quarantine.name] : []),
      ]
      const request = await readRequest(given, names.length > 0)
      const known = readKeys(given, env)
      for (const problem of known.problems) process.stderr.write(`warning: ${problem}\n`)
      return request === null ? await verifyTopics(names, known, env) : verifyRequest(request, known)
    },
  })

const partOptions = ['uri', 'clientId', 'requestTime', 'signature', 'body'] as const

async function readRequest(given: Options, hasTopics: boolean): Promise<CapturedRequest | null> {
  const named = partOptions.filter((part) => given[part] !== undefined)
  const sources = [given.request !== undefined, named.length > 0, hasTopics].filter(Boolean).length
  if (sources !== 1) {
    throw new StartProblem(
      `${sources === 0 ? 'What to verify is not said' : 'More than one thing to verify is named'}: give --request FILE, ` +
        'or --uri, --client-id, --request-time, --signature and --body, or --topic and/or --quarantine.',
    )
  }
  if (hasTopics) return null
  if (given.request !== undefined) {
    return parseCapturedRequest(await readBytes(given.request, '--request'), given.request)
  }
  const { uri, clientId, requestTime, signature, body } = given
  if (
    uri === undefined ||
    clientId === undefined ||
    requestTime === undefined ||
    signature === undefined ||
    body === undefined
  ) {
    const missing = partOptions.filter((part) => given[part] === undefined).map(optionName)
    throw new StartProblem(`A request in parts needs all of them; missing: ${missing.join(', ')}.`)
  }
  const bytes = await readBytes(body, '--body')
  return {
    captured: {
      uri,
      clientId,
      time: requestTime,
      signature,
      body: bytes,
      method: 'POST',
      hosts: [],
      uris: [],
    },
    remarks: [],
  }
}

function readKeys({ file, publicKey }: Options, env: Environment): KnownKeys {
  if (publicKey === undefined) return knownKeysOfFile(clientsFileOf(file, env))
  if (file === undefined) return loneKey(publicKey)
  throw new StartProblem('--file and --public-key both say where keys are: give one of them.')
}

function verifyRequest({ captured, remarks }: CapturedRequest, known: KnownKeys): number {
  const judgement = judge(captured, known)
  if (judgement.kind === 'not_genuine') {
    printLine(`Not genuine: ${judgement.reason}.`)
    for (const line of [...judgement.explain(), ...remarks]) printLine(line)
    return 1
  }
  const { version, state, clientId } = judgement.key
  const key = version === null ? 'the key' : `key version ${version} (${state}) of client ${clientId}`
  printLine(`Genuine: ${key} signed POST ${captured.uri} with ${captured.body.length} bytes of body.`)
  for (const line of [...remarks, ...refusals(captured, known, state)]) printLine(line)
  return 0
}

/** Why an ingress would refuse a genuine notification nevertheless. */
function refusals(
  { uri, clientId, method }: CapturedRequest['captured'],
  known: KnownKeys,
  state: string | null,
): string[] {
  const path = uri.split('?', 1)[0] ?? ''
  const paths = known.clients?.get(clientId)?.paths
  return [
    ...(state === 'retired'
      ? [
          'An ingress with this clients file refuses it: the key is retired, which only this offline check takes.',
        ]
      : []),
    ...(paths === undefined || paths.includes(path)
      ? []
      : [
          `An ingress with this clients file refuses it: ${path} is none of the client's paths (${paths.join(', ')}).`,
        ]),
    ...(method === 'POST' ? [] : [`An ingress refuses it: the method is ${method}, not POST.`]),
  ]
}

async function verifyTopics(names: readonly string[], known: KnownKeys, env: Environment): Promise<number> {
  const kafka = kafkaConfig(parseEnvironment('signalbox verify', z.object(kafkaEnv), env))
  let failed = 0
  for (const topic of names) {
    using progress = openProgress(topic)
    const { genuine, notGenuine, other, otherVersion } = await verifyTopic({
      kafka,
      topic,
      known,
      print: progress.print,
      progress: progress.update,
    })
    failed += notGenuine
    const others = [
      ...(otherVersion === 0
        ? []
        : [`${otherVersion} verify with another key version than their record tells`]),
      ...(other === 0 ? [] : [`${other} are no notifications`]),
    ]
    progress.print(`${topic}: ${[`${genuine} verify`, `${notGenuine} do not`, ...others].join(', ')}.`)
  }
  return failed === 0 ? 0 : 1
}

function optionName(member: string): string {
  return `--${member.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}
