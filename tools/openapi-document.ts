import assert from 'node:assert/strict'
import { z } from 'zod'
import { refusals, refusalShape } from '../services/console/src/answers.ts'
import {
  attemptShape,
  attemptsShape,
  createdShape,
  endpointDetailShape,
  endpointItemShape,
  endpointsShape,
  rotatedShape,
} from '../services/console/src/endpoint-item.ts'
import { endpointChallenge } from '../services/console/src/endpoint-challenge.ts'
import { createBody, updateBody } from '../services/console/src/endpoint-requests.ts'
import { askedShape } from '../services/console/src/endpoint-verification.ts'
import { replayBody, replayShape } from '../services/console/src/replay-routes.ts'
import { publicKeySetShape } from '../services/console/src/well-known.ts'
import { type Operation, operations } from './openapi-operations.ts'
import {
  endpointChanged,
  registrationChanged,
  registrationFlagged,
  type WebhookKind,
  webhookKinds,
} from './openapi-webhooks.ts'

type Json = Record<string, unknown>

const lineWidth = 110

/** What we take: anything else is refused. */
const taken: Record<string, z.ZodType> = {
  CreateEndpoint: createBody,
  UpdateEndpoint: updateBody,
  Replay: replayBody,
}

/** What we give: later there may be more. */
const given: Record<string, z.ZodType> = {
  ListedEndpoint: endpointItemShape,
  Endpoint: endpointDetailShape,
  CreatedEndpoint: createdShape,
  EndpointPage: endpointsShape,
  RotatedSecret: rotatedShape,
  VerificationRequested: askedShape,
  Attempt: attemptShape,
  AttemptPage: attemptsShape,
  ReplayCounts: replayShape,
  WebhookKeys: publicKeySetShape,
  RegistrationChanged: registrationChanged,
  RegistrationFlagged: registrationFlagged,
  EndpointChanged: endpointChanged,
  EndpointChallenge: endpointChallenge,
  Refusal: refusalShape,
}

const names = new Map(Object.entries({ ...taken, ...given }).map(([name, schema]) => [schema, name]))

/** The OpenAPI 3.1 document of the API of endpoints, and of everything that is sent to webhooks. */
export function openapiDocument(): Json {
  const paths = new Map<string, Json>()
  for (const operation of operations) {
    const methods = paths.get(operation.path) ?? parametersOfPath(operation.path)
    paths.set(operation.path, { ...methods, [operation.method.toLowerCase()]: operationItem(operation) })
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Signalbox: endpoints and alerts',
      version: '1.0.0',
      summary: 'Where alerts go, and what they look like.',
      description:
        'Made by `npm run openapi` from the schemas that the console and the alerts service use. ' +
        'Ignore members that you do not know: there may be more of them later.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'The console.' }],
    security: [{ token: [] }],
    paths: Object.fromEntries(paths),
    webhooks: Object.fromEntries(webhookKinds.map((kind) => [kind.type, { post: webhookItem(kind) }])),
    components: {
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description:
            'A token of API_TOKENS_FILE: a viewer reads, an operator also changes, an admin may do all.',
        },
      },
      schemas: { ...componentsOf(taken, { isOpen: false }), ...componentsOf(given, { isOpen: true }) },
      responses: Object.fromEntries(
        Object.entries(meanings).map(([code, meaning]) => [code, refusalItem(meaning)]),
      ),
    },
  }
}

/** The document as it is written to docs/openapi.json, as the formatter of this repository wants it. */
export function openapiText(): string {
  // Lists of plain values that fit stand on one line.
  const text = JSON.stringify(openapiDocument(), null, 2).replaceAll(
    /^( *)(.*)\[\n([^[\]{}]*?)\n *\](,?)$/gm,
    (whole: string, indent: string, before: string, items: string, comma: string) => {
      const line = `${indent}${before}[${items.replaceAll(/\n */g, ' ').trim()}]${comma}`
      return line.length <= lineWidth ? line : whole
    },
  )
  return `${text}\n`
}

function operationItem(operation: Operation): Json {
  const { role, query, body, answer, alternative, isChange = false } = operation
  const parameters = [...(query ? queryParameters(query) : []), ...(isChange ? [ifMatch] : [])]
  const description = [operation.description, role && `Takes a token with the role ${role}.`]
  return {
    operationId: operation.operationId,
    summary: operation.summary,
    description: description.filter(Boolean).join(' '),
    ...(role === null ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body && {
      requestBody: {
        required: true,
        content: {
          'application/json': { schema: refTo(body.schema), examples: namedExamples(body.examples) },
        },
      },
    }),
    responses: {
      ...Object.fromEntries(
        [answer, ...(alternative ? [alternative] : [])].map((good) => [
          good.status,
          {
            description: good.description,
            ...(good.headers && { headers: headersOf(good.headers) }),
            content: { 'application/json': { schema: refTo(good.schema), example: good.example } },
          },
        ]),
      ),
      ...refusalItems(operation),
    },
  }
}

function parametersOfPath(path: string): Json {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
  if (names.length === 0) return {}
  return {
    parameters: names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
  }
}

const ifMatch = {
  name: 'If-Match',
  in: 'header',
  description: 'The revision that is to be changed, as an ETag gives it. Without it the latest one is.',
  schema: { type: 'string', pattern: '^"?[1-9][0-9]{0,8}"?$' },
  example: '"2"',
}

function queryParameters(query: z.ZodObject): Json[] {
  const { properties = {}, required = [] } = objectSchema.parse(
    z.toJSONSchema(query, { io: 'input', override: plain }),
  )
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    ...(description === undefined ? {} : { description }),
    required: required.includes(name),
    schema,
  }))
}

const objectSchema = z.object({
  properties: z.record(z.string(), z.looseObject({ description: z.string().optional() })).optional(),
  required: z.array(z.string()).optional(),
})

const meanings: Record<keyof typeof refusals, string> = {
  bad_query: 'A parameter is wrong or missing.',
  bad_request: 'The body or a header is wrong.',
  unauthorized: 'There is no known token.',
  forbidden: 'The token has a lesser role.',
  not_found: 'There is no such thing, or the token does not see its client.',
  refused: 'It cannot be done as things are.',
  changed_meanwhile: 'It is at another revision than If-Match names.',
  too_many: 'Too much of this is under way. Try again after Retry-After.',
  internal: 'Something went wrong in the console.',
  unavailable:
    'It cannot be told now; try again after Retry-After. A change may have been made all the same.',
}

function refusalItems({ role, refusals: own }: Operation): Json {
  const access = role === null ? [] : role === 'viewer' ? ['unauthorized'] : ['unauthorized', 'forbidden']
  const codes = new Set<string>([...own, ...access, ...(role === null ? [] : ['unavailable'])])
  const items: [string, Json][] = Object.entries(refusals).flatMap(([code, status]) =>
    codes.has(code) ? [[String(status), { $ref: `#/components/responses/${code}` }]] : [],
  )
  return Object.fromEntries(items)
}

function refusalItem(description: string): Json {
  return { description, content: { 'application/json': { schema: refTo(refusalShape) } } }
}

const webhookHeaders = {
  'webhook-id': 'Names the alert: the same for every attempt and replay of it. Take it once.',
  'webhook-timestamp':
    'When this attempt was made, in seconds since 1970. Refuse one that is five minutes off.',
  'webhook-signature':
    'Signatures of `id.timestamp.body`, apart by spaces: `v1,` and HMAC-SHA256 for each secret in force, and `v1a,` and ' +
    'ed25519 where the deployment has such a key.',
}

function webhookItem({ type, summary, description, schema, example }: WebhookKind): Json {
  const signed = Object.entries(webhookHeaders).map(([name, meaning]) => ({
    name,
    in: 'header',
    required: true,
    description: meaning,
    schema: { type: 'string' },
  }))
  const replay = {
    name: 'webhook-replay',
    in: 'header',
    description: 'Only there, and `true`, when an alert is sent anew by a person.',
    schema: { const: 'true' },
  }
  const isChallenge = type === 'endpoint.challenge'
  return {
    operationId: `on ${type}`.replaceAll(/[ .](\w)/g, (_, letter: string) => letter.toUpperCase()),
    summary,
    description,
    security: [],
    parameters: isChallenge ? signed : [...signed, replay],
    requestBody: { required: true, content: { 'application/json': { schema: refTo(schema), example } } },
    responses: isChallenge
      ? {
          '2XX': {
            description: 'The endpoint is verified when the body holds the text of `data.challenge`.',
            content: { 'text/plain': { schema: { type: 'string' } } },
          },
        }
      : {
          '2XX': { description: 'Taken. The body is not looked at.' },
          '410': { description: 'The endpoint is gone: it is disabled.' },
          '429': { description: 'Later: Retry-After, seconds or a date, is heeded up to an hour.' },
          default: {
            description: 'Not taken: it is tried again for about a day. Redirects are not followed.',
          },
        },
  }
}

function namedExamples(examples: Readonly<Record<string, unknown>>): Json {
  return Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }]))
}

function headersOf(headers: Readonly<Record<string, string>>): Json {
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
  )
}

const placeOf = (name: string) => `#/components/schemas/${name}`

function refTo(schema: z.ZodType): Json {
  const name = names.get(schema)
  assert(name !== undefined, 'every schema of the document has a name')
  return { $ref: placeOf(name) }
}

function componentsOf(schemas: Record<string, z.ZodType>, { isOpen }: { isOpen: boolean }): Json {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id })
  const made = z.toJSONSchema(registry, {
    io: 'input',
    uri: placeOf,
    override: ({ jsonSchema: part }) => {
      plain({ jsonSchema: part })
      if (isOpen && part.additionalProperties === false) delete part.additionalProperties
    },
  })
  return Object.fromEntries(
    Object.entries(made.schemas).map(([name, { $schema: _schema, $id: _id, ...schema }]) => [name, schema]),
  )
}

/** Leaves out what nobody reads: regular expressions of known formats, and the limits of numbers in JavaScript. */
function plain({ jsonSchema: part }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (part.format !== undefined || part.type === 'integer') delete part.pattern
  if (part.maximum === Number.MAX_SAFE_INTEGER) delete part.maximum
  if (part.minimum === Number.MIN_SAFE_INTEGER) delete part.minimum
}
