import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { alertEventTypes } from '../packages/contracts/src/endpoint-record.ts'
import { createConsoleApp } from '../services/console/src/console-app.fixture.ts'
import { openapiDocument, openapiText } from './openapi-document.ts'
import { operations } from './openapi-operations.ts'
import { webhookKinds } from './openapi-webhooks.ts'

const text = readFileSync(join(import.meta.dirname, '..', 'docs', 'openapi.json'), 'utf8')

const content = z.object({
  'application/json': z.object({
    schema: z.object({ $ref: z.string() }),
    example: z.unknown().optional(),
    examples: z.record(z.string(), z.object({ value: z.unknown() })).optional(),
  }),
})
const item = z.looseObject({
  operationId: z.string(),
  requestBody: z.object({ content }).optional(),
  responses: z.record(z.string(), z.looseObject({ content: content.optional().catch(undefined) })),
})
const document = z
  .object({
    openapi: z.string(),
    paths: z.record(z.string(), z.record(z.string(), z.unknown())),
    webhooks: z.record(z.string(), z.object({ post: item })),
    components: z.object({ schemas: z.record(z.string(), z.looseObject({})) }),
  })
  .parse(JSON.parse(text))

const items = [
  ...Object.values(document.paths).flatMap((path) =>
    Object.entries(path).flatMap(([name, part]) => (name === 'parameters' ? [] : [item.parse(part)])),
  ),
  ...Object.values(document.webhooks).map(({ post }) => post),
]

test('docs/openapi.json is what `npm run openapi` writes', () => {
  expect(text).toBe(openapiText())
  expect(JSON.parse(text)).toEqual(openapiDocument())
})

test.each(
  operations.flatMap(({ operationId, body, answer, alternative }) => [
    ...[answer, ...(alternative ? [alternative] : [])].map(({ status, schema, example }) => ({
      name: `the answer ${status} to ${operationId}`,
      schema,
      example,
    })),
    ...Object.entries(body?.examples ?? {}).map(([name, example]) => ({
      name: `${operationId} ${name}`,
      schema: body?.schema ?? z.never(),
      example,
    })),
  ]),
)('the example of $name is what its schema parses', ({ schema, example }) => {
  expect(schema.safeParse(example).error?.issues ?? []).toEqual([])
})

test.each(webhookKinds)(
  'the example of $type is what its schema parses, and of that type',
  ({ type, schema, example }) => {
    expect(schema.parse(example)).toEqual(example)
    expect(example).toMatchObject({ type })
  },
)

test('every example fits the schema that is published beside it', () => {
  // The same document, for a reader that knows of definitions only.
  const definitions: unknown = JSON.parse(
    JSON.stringify(document.components.schemas).replaceAll('#/components/schemas/', '#/$defs/'),
  )
  const contents = items.flatMap(({ requestBody, responses }) => [
    ...(requestBody ? [requestBody.content] : []),
    ...Object.values(responses).flatMap((response) => response.content ?? []),
  ])
  const checked = contents.flatMap(({ 'application/json': { schema, example, examples = {} } }) => {
    const published = z.fromJSONSchema({
      $ref: schema.$ref.replace('#/components/schemas/', '#/$defs/'),
      $defs: z.record(z.string(), z.looseObject({})).parse(definitions),
    })
    const given = example === undefined ? [] : [example]
    return [...given, ...Object.values(examples).map(({ value }) => value)].map((value) =>
      published.safeParse(value),
    )
  })
  expect(checked.filter(({ success }) => !success)).toEqual([])
  expect(checked.length).toBeGreaterThanOrEqual(operations.length + webhookKinds.length)
})

test('every reference leads somewhere, and every operation has a name of its own', () => {
  const references = [...text.matchAll(/"\$ref": "#\/([^"]+)"/g)].map(([, path]) => path?.split('/') ?? [])
  const at = (path: readonly string[]) =>
    path.reduce<unknown>(
      (part, name) => z.record(z.string(), z.unknown()).safeParse(part).data?.[name],
      JSON.parse(text),
    )
  expect(references.filter((path) => at(path) === undefined)).toEqual([])
  expect(references.length).toBeGreaterThan(20)
  const ids = items.map(({ operationId }) => operationId)
  expect(ids).toEqual([...new Set(ids)])
})

test('every type of event that a filter may name is told by a webhook', () => {
  const told =
    JSON.stringify(document.webhooks) + JSON.stringify(document.components.schemas['RegistrationChanged'])
  expect(alertEventTypes.filter((type) => !told.includes(`"${type}"`))).toEqual([])
})

test('the console answers what is documented, nothing else at these addresses, and to the roles that are told', async () => {
  const console = createConsoleApp()
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
  const routed = Object.keys(document.paths).flatMap((path) =>
    methods
      .filter((method) => console.app.hasRoute({ method, url: path.replace(/\{(\w+)\}/, ':$1') }))
      .map((method) => `${method} ${path}`),
  )
  expect(routed.toSorted()).toEqual(operations.map(({ method, path }) => `${method} ${path}`).toSorted())

  const tokens = ['all-viewer', 'all-operator', 'admin']
  const roles = ['viewer', 'operator', 'admin']
  for (const { method, path, role } of operations) {
    const url = path.replace('{endpointId}', 'ep-1')
    const statuses = await Promise.all(
      [null, ...tokens].map(async (token) => (await console.ask(method, url, token)).statusCode),
    )
    const least = role === null ? -1 : roles.indexOf(role)
    const expected =
      role === null ? [200, 200, 200, 200] : [401, ...tokens.map((_, rank) => (rank < least ? 403 : 503))]
    expect([method, path, ...statuses]).toEqual([method, path, ...expected])
  }
})
