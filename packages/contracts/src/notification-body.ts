import { z } from 'zod'
import { scanJsonObject } from './json-scan.ts'
import { countMembers, inspectJson, measureJson, type MemberTree } from './json-text.ts'
import { topics } from './topics.ts'

const text = z.string().nullish()

/** `rejectReasons` is how one SDK spells `rejectionReason`; it may be a list. */
const reason = z.union([z.string(), z.array(z.string())]).nullish()

const entryResult = z.object({ registrationStatus: text, rejectionReason: reason, rejectReasons: reason })

/** The members that say how far a registration has come, which an answer to an inquiry has too. */
export const reportedResults = {
  registrationResult: z.object({ registrationStatus: text }).nullish(),
  pspRegistrationResultList: z
    .array(
      z.object({
        pspName: text,
        registrationResult: entryResult.nullish(),
        productCodes: z.array(z.string()).nullish(),
      }),
    )
    .nullish(),
}

/**
 * The body of notifyRegistrationStatus in both dialects, by JSON type alone: what the values mean and which are
 * required is decided in `@signalbox/registration`. Source: the API pages of Alipay+ and AMS. Unknown members
 * are dropped.
 */
const notificationBody = z.compile(
  z.object({
    referenceMerchantId: text,
    referenceStoreId: text,
    registrationRequestId: text,
    ...reportedResults,
  }),
)

export type NotificationBody = z.infer<typeof notificationBody>

/** A body that cannot be read: why, and at which member (a path, never text of the message). */
export type UnreadableBody = {
  kind: 'unreadable'
  reason: 'not_json_object' | 'too_deep' | 'too_many_tokens' | 'duplicate_member' | 'wrong_type'
  where: string
}

const maxDepth = 32
/** Real lists need 4.4 to 6 bytes a token. */
const maxTokens = topics.raw.maxMessageBytes / 4
/** What a body of this size can hold costs next to nothing to parse; a larger one is looked at before. */
const parsedAtOnceBytes = 16 * 1024

const noDuplicate = { duplicate: null }
const used = {}

/** As {@link reportedResults}, for telling a member that stands twice. */
export const reportedMembers = {
  registrationResult: { members: { registrationStatus: used } },
  pspRegistrationResultList: {
    items: {
      members: {
        pspName: used,
        productCodes: used,
        registrationResult: {
          members: { registrationStatus: used, rejectionReason: used, rejectReasons: used },
        },
      },
    },
  },
} satisfies MemberTree['members']

/** What a body may hold once only; the rest is not ours to judge. */
const membersWeUse: MemberTree = {
  members: {
    referenceMerchantId: used,
    referenceStoreId: used,
    registrationRequestId: used,
    ...reportedMembers,
  },
}

/** Reads a body into its typed members, or says why it cannot be read. Total: any bytes give an answer. */
export function readNotificationBody(
  bytes: Uint8Array,
): { kind: 'body'; body: NotificationBody } | UnreadableBody {
  return readBody(bytes, notificationBody, membersWeUse)
}

/** Reads a body of this schema, in which no member of the tree may stand twice. Total, as the others. */
export function readBody<Body>(
  bytes: Uint8Array,
  schema: z.ZodType<Body>,
  tree: MemberTree,
): { kind: 'body'; body: Body } | UnreadableBody {
  if (bytes.length > parsedAtOnceBytes) {
    const scanned = scanJsonObject(bytes, [])
    if (scanned === null) return { kind: 'unreadable', reason: 'not_json_object', where: '' }
    if (scanned.depth > maxDepth) return { kind: 'unreadable', reason: 'too_deep', where: '' }
    if (scanned.tokens > maxTokens) return { kind: 'unreadable', reason: 'too_many_tokens', where: '' }
  }
  const json = parseObject(bytes)
  if (json === null) return { kind: 'unreadable', reason: 'not_json_object', where: '' }
  const { depth, members } = measureJson(json.text, { maxDepth })
  if (depth > maxDepth) return { kind: 'unreadable', reason: 'too_deep', where: '' }
  // Which one stands twice, and whether it matters, is worth finding out only where one does.
  const { duplicate } =
    members === countMembers(json.value) ? noDuplicate : inspectJson(json.text, { maxDepth, tree })
  if (duplicate !== null) return { kind: 'unreadable', reason: 'duplicate_member', where: duplicate }
  const parsed = schema.safeParse(json.value)
  if (parsed.success) return { kind: 'body', body: parsed.data }
  return {
    kind: 'unreadable',
    reason: 'wrong_type',
    where: z.core.toDotPath(parsed.error.issues[0]?.path ?? []),
  }
}

/** What the ingress needs of a body: the ids that route it, each usable (a non-empty text) or null. */
export type Routing =
  | { kind: 'routable'; referenceMerchantId: string; registrationRequestId: string | null }
  | { kind: 'unattributed'; registrationRequestId: string }
  | { kind: 'unroutable' }
  | { kind: 'not_json_object' }

/**
 * Finds the routing ids of a body without judging the rest; of a duplicated member the last one routes. Costs no more
 * than its bytes, whatever is in them.
 */
export function readRouting(bytes: Uint8Array): Routing {
  const json = scanJsonObject(bytes, ['referenceMerchantId', 'registrationRequestId'])
  if (json === null) return { kind: 'not_json_object' }
  const referenceMerchantId = json.texts.get('referenceMerchantId') || null
  const registrationRequestId = json.texts.get('registrationRequestId') || null
  if (referenceMerchantId !== null) return { kind: 'routable', referenceMerchantId, registrationRequestId }
  return registrationRequestId === null
    ? { kind: 'unroutable' }
    : { kind: 'unattributed', registrationRequestId }
}

/** null: the bytes are not one JSON object in UTF-8. */
function parseObject(bytes: Uint8Array): { text: string; value: object } | null {
  let text: string
  let value: unknown
  try {
    text = utf8.decode(bytes)
    value = JSON.parse(text)
  } catch {
    return null
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { text, value } : null
}

const utf8 = new TextDecoder('utf-8', { fatal: true }) // strips a leading byte order mark, which is tolerated
