import fc from 'fast-check'
import { signMessage, type SignedMessage } from '../answers.fixture.ts'
import type { ClientName, Clients, KnownClient } from '../clients.fixture.ts'

/** What a genuine notification is made from; the keys come with the run. */
export type NotificationRecipe = {
  sender: { client: ClientName; version: string; uri: string }
  time: string
  body: Uint8Array
}

/** A genuine notification before it is written down as a request. */
export type SignedNotification = {
  client: KnownClient
  version: string
  message: SignedMessage
  signature: Buffer
}

/** Few targets, so that the refusals of a second are few signed texts: they are signed within a budget. */
const senders: readonly NotificationRecipe['sender'][] = [
  { client: 'plus', version: '2', uri: '/notify/registration' },
  { client: 'plus', version: '1', uri: '/notify/registration' },
  { client: 'plus', version: '0', uri: '/notify/second' },
  { client: 'plus', version: '2', uri: '/notify/second?env=prod&x=%2F' },
  { client: 'ams', version: '1', uri: '/notify/registration' },
  { client: 'ams', version: '1', uri: '/ams/notify' },
  { client: 'push', version: '1', uri: '/push/notify' },
  { client: 'anyVersion', version: '2', uri: '/any/notify' },
  { client: 'anyVersion', version: '1', uri: '/any/notify?v=1' },
]

const digits = (count: number) =>
  fc.nat({ max: 10 ** count - 1 }).map((value) => String(value).padStart(count, '0'))

const offset = fc
  .tuple(
    fc.constantFrom('+', '-'),
    fc.nat({ max: 14 }),
    fc.constantFrom('00', '30', '45'),
    fc.constantFrom(':', ''),
  )
  .map(([sign, hours, minutes, colon]) => `${sign}${String(hours).padStart(2, '0')}${colon}${minutes}`)

const isoTime = fc
  .tuple(
    fc.date({
      min: new Date('1990-01-01T00:00:00Z'),
      max: new Date('2099-12-31T23:59:59Z'),
      noInvalidDate: true,
    }),
    fc.option(fc.integer({ min: 1, max: 9 }).chain(digits)),
    fc.oneof(fc.constant('Z'), offset),
  )
  .map(([date, fraction, zone]) => {
    const seconds = date.toISOString().slice(0, 19)
    return `${seconds}${fraction === null ? '' : `.${fraction}`}${zone}`
  })

const epochTime = fc.nat({ max: 2_000_000_000_000 }).map((ms) => String(ms).padStart(13, '0'))

const id = fc.oneof(
  fc.stringMatching(/^[0-9A-Z_]{1,32}$/),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 }),
)
const status = fc.option(
  fc.constantFrom('COMPLETED', 'PENDING', 'APPROVED', 'REJECTED', 'CANCELLED', 'ELSE', ''),
)
const result = fc.option(
  fc.record({ registrationStatus: status, rejectionReason: fc.option(fc.string()) }, { requiredKeys: [] }),
)
const entry = fc.record(
  {
    pspName: fc.constantFrom('DANA', 'AlipayCN', 'X'),
    registrationResult: result,
    productCodes: fc.array(fc.constantFrom('CASHIER_PAYMENT', 'IN_STORE_PAYMENT')),
  },
  { requiredKeys: [] },
)

/** Members in any order, known and unknown ones, some of a wrong type. */
const members = fc
  .record(
    {
      referenceStoreId: fc.option(id),
      registrationResult: result,
      pspRegistrationResultList: fc.option(fc.array(entry, { maxLength: 4 })),
      notifyType: fc.jsonValue({ maxDepth: 2 }),
    },
    { requiredKeys: [] },
  )
  .map((value) => Object.entries(value))

const ids = fc.oneof(
  fc.tuple(id, fc.oneof(id, fc.constantFrom(null, '', 7))).map(([merchant, request]) => [
    ['referenceMerchantId', merchant],
    ['registrationRequestId', request],
  ]),
  id.map((merchant) => [['referenceMerchantId', merchant]]),
  id.map((request) => [['registrationRequestId', request]]),
)

const spelling = fc.constantFrom('compact', 'indented', 'CR LF', 'blanks around', 'byte order mark')

function written(value: unknown, how: string): string {
  const text = JSON.stringify(value, null, how === 'indented' || how === 'CR LF' ? 2 : 0)
  if (how === 'CR LF') return `${text.replaceAll('\n', '\r\n')}\r\n`
  if (how === 'blanks around') return ` \n${text}\t `
  return how === 'byte order mark' ? `\ufeff${text}` : text
}

const routableText = fc
  .tuple(
    fc
      .tuple(ids, members)
      .chain(([given, others]) =>
        fc.shuffledSubarray([...given, ...others], { minLength: given.length + others.length }),
      ),
    spelling,
  )
  .map(([entries, how]) => written(Object.fromEntries(entries), how))

/** Signed, but rarely one routable object. */
const oddBody = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  fc.json().map((text) => Buffer.from(text)),
  fc.tuple(routableText, fc.nat()).map(([text, at]) => Buffer.from(text.slice(0, at % text.length))),
  fc
    .tuple(routableText, fc.constantFrom('x', '{}', ',', ']', '\0'))
    .map(([text, end]) => Buffer.from(text + end)),
  fc.tuple(routableText, fc.nat(), fc.integer({ min: 0x80, max: 0xff })).map(([text, at, byte]) => {
    const bytes = Buffer.from(text)
    bytes[at % bytes.length] = byte
    return bytes
  }),
  fc.tuple(members, spelling).map(([entries, how]) => Buffer.from(written(Object.fromEntries(entries), how))),
  fc
    .tuple(fc.constantFrom(null, '', 0, true, [], {}), fc.constantFrom(null, '', 1, false))
    .map(([merchant, request]) =>
      Buffer.from(JSON.stringify({ referenceMerchantId: merchant, registrationRequestId: request })),
    ),
)

export const notificationRecipe: fc.Arbitrary<NotificationRecipe> = fc.record({
  sender: fc.constantFrom(...senders),
  time: fc.oneof(epochTime, isoTime),
  body: fc.oneof(
    { weight: 6, arbitrary: routableText.map((text) => Buffer.from(text)) },
    { weight: 1, arbitrary: oddBody },
  ),
})

export async function signNotification(
  { sender, time, body }: NotificationRecipe,
  clients: Clients,
): Promise<SignedNotification> {
  const client = clients[sender.client]
  const key = client.alipayKeys.get(sender.version)
  if (key === undefined) throw new Error(`${client.clientId} has no key ${sender.version}`)
  const message = { uri: sender.uri, clientId: client.clientId, time, body: Buffer.from(body) }
  return { client, version: sender.version, message, signature: await signMessage(message, key.privateKey) }
}
