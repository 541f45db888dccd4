import { partitionOf } from '@signalbox/kafka/partition'
import type { NamedRegistration, RegistrationStore } from '@signalbox/registration-store/registration-store'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createConsoleApp, nowMs, partitions, sha256 } from './console-app.fixture.ts'
import { namedRegistration } from './named-registration.fixture.ts'

const known = [
  namedRegistration({ merchant: 'M1', store: null, round: 'R1' }),
  namedRegistration({ merchant: 'M1', store: 'S1', round: 'R1' }),
  namedRegistration({ merchant: 'M1', store: 'S2', round: 'R2' }),
  namedRegistration({ merchant: 'M1', store: 'S3', round: 'R3' }),
  namedRegistration({ clientId: 'C2', merchant: 'M2', store: 'S1' }),
]

type Read = RegistrationStore['read']
let reads: Parameters<Read>[0][]
let read: Read
let console: ReturnType<typeof createConsoleApp>

beforeEach(() => {
  reads = []
  read = readKnown
  console = createConsoleApp({
    read: (of) => {
      reads.push(of)
      return read(of)
    },
  })
})
afterEach(() => console.app.close())

/** As the store does it: in the order of the store ids, the cursor is the last one seen. */
const readKnown: Read = async ({ merchant, store, cursor, limit }) => {
  const following = known.filter(
    (one) =>
      one.registration.clientId === merchant.clientId &&
      one.registration.referenceMerchantId === merchant.referenceMerchantId &&
      (store === undefined || one.registration.referenceStoreId === store) &&
      (cursor === null || storeOf(one) > cursor),
  )
  const page = following.slice(0, limit)
  const last = page.at(-1)
  const next = following.length > page.length && last ? storeOf(last) : null
  return { registrations: page, next, complete: true }
}

function storeOf({ registration }: NamedRegistration): string {
  return registration.referenceStoreId ?? '!'
}

function ask(query: Record<string, string> | string, token: string | null = 'admin') {
  const search = typeof query === 'string' ? query : new URLSearchParams(query).toString()
  return console.ask('GET', `/v1/registrations?${search}`, token)
}

const m1 = { clientId: 'C1', referenceMerchantId: 'M1' }
const unknown = {
  error: { code: 'not_found', message: 'No registration of this client, merchant and store is known.' },
}

describe('access', () => {
  test.each([
    ['no header', undefined],
    ['another scheme', 'Basic YWxsOmFsbA=='],
    ['an unknown token', 'Bearer guess'],
    ['an empty token', 'Bearer '],
    ['a token hash in place of the token', `Bearer ${sha256('admin')}`],
    ['an over-long token', `Bearer ${'a'.repeat(513)}`],
  ])('%s is answered 401 with the scheme to use, and nothing is read', async (_, authorization) => {
    const headers = authorization === undefined ? {} : { authorization }
    const answer = await console.app.inject({
      url: '/v1/registrations?clientId=C1&referenceMerchantId=M1',
      headers,
    })
    expect(answer.statusCode).toBe(401)
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="signalbox"')
    expect(answer.json()).toMatchObject({ error: { code: 'unauthorized' } })
    expect(reads).toEqual([])
  })

  test.each([
    ['all-viewer', 'C1', 'M1', 200],
    ['all-viewer', 'C2', 'M2', 200],
    ['one-viewer', 'C1', 'M1', 200],
    ['one-viewer', 'C2', 'M2', 404],
    ['one-viewer', 'C3', 'M1', 404],
    ['none', 'C1', 'M1', 404],
    ['all-viewer', 'C1', 'M2', 404],
  ])('the token "%s" asking for %s/%s gets %i', async (token, clientId, referenceMerchantId, status) => {
    expect((await ask({ clientId, referenceMerchantId }, token)).statusCode).toBe(status)
  })

  test('a foreign client and an unknown merchant get the same answer', async () => {
    const foreign = await ask({ clientId: 'C2', referenceMerchantId: 'M2' }, 'one-viewer')
    const missing = await ask({ clientId: 'C1', referenceMerchantId: 'M9' }, 'one-viewer')
    expect([foreign.statusCode, foreign.json()]).toEqual([404, unknown])
    expect([missing.statusCode, missing.json()]).toEqual([404, unknown])
  })
})

describe('a merchant asked for', () => {
  test('comes with all its registrations', async () => {
    const answer = await ask(m1)
    expect(storesOf(answer)).toEqual([null, 'S1', 'S2', 'S3'])
    expect(answer.json()).toMatchObject({ next: null })
  })

  test('is looked up in the partition of its key', async () => {
    await ask(m1)
    expect(reads).toMatchObject([{ partition: partitionOf('C1/M1', partitions), merchant: m1 }])
  })

  test('comes page by page, none twice and none left out', async () => {
    const stores: unknown[] = []
    let cursor: string | null = null
    do {
      const answer = await ask({ ...m1, limit: '3', ...(cursor === null ? {} : { cursor }) })
      stores.push(...storesOf(answer))
      cursor = answer.json<{ next: string | null }>().next
    } while (cursor !== null)
    expect(stores).toEqual([null, 'S1', 'S2', 'S3'])
  })

  test('past its end is an empty page, not an unknown merchant', async () => {
    const answer = await ask({ ...m1, cursor: 'S3' })
    expect([answer.statusCode, answer.json()]).toEqual([200, { registrations: [], next: null }])
  })
})

describe('a store asked for', () => {
  test('comes alone', async () => {
    expect(storesOf(await ask({ ...m1, referenceStoreId: 'S2' }))).toEqual(['S2'])
  })

  test('comes with the registration without store that shares its round', async () => {
    expect(storesOf(await ask({ ...m1, referenceStoreId: 'S1' }))).toEqual([null, 'S1'])
  })

  test('is not found when only the merchant is known', async () => {
    const answer = await ask({ ...m1, referenceStoreId: 'S9' })
    expect([answer.statusCode, answer.json()]).toEqual([404, unknown])
  })
})

test.each([
  ['referenceMerchantId=M1', 'The parameter clientId is missing: give it.'],
  ['clientId=C1', 'The parameter referenceMerchantId is missing: give it.'],
  [
    'clientId=C1&referenceMerchantId=',
    'The parameter referenceMerchantId is empty: leave it out or give a value.',
  ],
  ['clientId=C1&clientId=C2&referenceMerchantId=M1', 'The parameter clientId stands twice: give it once.'],
  [
    `clientId=C1&referenceMerchantId=${'m'.repeat(65)}`,
    'The parameter referenceMerchantId is too long: it has at most 64 characters.',
  ],
  [
    `clientId=C1&referenceMerchantId=M1&referenceStoreId=${'s'.repeat(33)}`,
    'The parameter referenceStoreId is too long: it has at most 32 characters.',
  ],
  [
    'clientId=C1&referenceMerchantId=M1%00',
    'The parameter referenceMerchantId holds a character that no id has.',
  ],
  ['clientId=C1&referenceMerchantId=M1&limit=0', 'The parameter limit must be a whole number from 1 to 100.'],
  [
    'clientId=C1&referenceMerchantId=M1&limit=101',
    'The parameter limit must be a whole number from 1 to 100.',
  ],
  [
    'clientId=C1&referenceMerchantId=M1&limit=ten',
    'The parameter limit must be a whole number from 1 to 100.',
  ],
  [
    'clientId=C1&referenceMerchantId=M1&limit=1&limit=2',
    'The parameter limit must be a whole number from 1 to 100.',
  ],
  [
    'clientId=C1&referenceMerchantId=M1&merchant=M1',
    'There is a parameter that is not known here. Known are: clientId, referenceMerchantId, referenceStoreId, limit, cursor.',
  ],
])('%s is refused and says what to do', async (query, message) => {
  const answer = await ask(query)
  expect([answer.statusCode, answer.json()]).toEqual([400, { error: { code: 'bad_query', message } }])
  expect(reads).toEqual([])
})

test.each([
  ['an id of 64 emoji is not too long', { ...m1, referenceMerchantId: '🏪'.repeat(64) }],
  ['an id may have any letters', { ...m1, referenceMerchantId: 'M 7/*?&ü店' }],
])('%s', async (_, query) => {
  await ask(query)
  expect(reads[0]?.merchant.referenceMerchantId).toBe(query.referenceMerchantId)
})

describe('trouble', () => {
  test('a view that cannot be read is answered 503, with when to ask again', async () => {
    read = async () => {
      throw new Error('Redis does not list stores: Connection is closed.')
    }
    const answer = await ask(m1)
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '1'])
    expect(answer.json()).toMatchObject({ error: { code: 'unavailable' } })
    expect(answer.body).not.toContain('Redis')
  })

  test('a view that does not answer is given up', async () => {
    read = () => new Promise(() => {})
    const answer = await ask(m1)
    expect(answer.statusCode).toBe(503)
  })

  test('a view that is being made answers nothing, for what is missing may exist', async () => {
    read = async (of) => ({ ...(await readKnown(of)), complete: false })
    for (const query of [m1, { ...m1, referenceStoreId: 'S1' }, { ...m1, referenceMerchantId: 'M9' }]) {
      const answer = await ask(query)
      expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '5'])
    }
  })

  test.each([
    ['GET', '/v1/registration', 404, 'not_found'],
    ['POST', '/v1/registrations', 404, 'not_found'],
    ['GET', '/v1/%', 400, 'bad_request'],
  ] as const)('%s %s is answered %i in the one shape of errors', async (method, url, status, code) => {
    const answer = await console.app.inject({ method, url })
    expect(answer.statusCode).toBe(status)
    expect(answer.json()).toMatchObject({ error: { code } })
    expect(Object.keys(answer.json<object>())).toEqual(['error'])
  })
})

test('a request is logged and counted without what was asked', async () => {
  await ask(m1)
  await ask('clientId=C1')
  await ask(m1, 'a-secret-guess')
  expect(console.logged()).toMatchObject([
    { msg: 'console.request', method: 'GET', route: '/v1/registrations', status: 200 },
    { status: 400 },
    { status: 401 },
  ])
  expect(console.loggedText()).not.toMatch(/M1|C1|secret/)
  const lines = (await console.metrics.text()).split('\n')
  expect(lines.filter((line) => /^console_\w+(total|count)\{/.test(line))).toEqual([
    'console_requests_total{route="/v1/registrations",status_class="2xx",service="console"} 1',
    'console_requests_total{route="/v1/registrations",status_class="4xx",service="console"} 2',
    'console_request_duration_seconds_count{service="console",route="/v1/registrations"} 3',
  ])
})

describe('unanswered registrations', () => {
  const hourMs = 3_600_000
  const opened = [30, 100, 50].map((hours, number) => ({
    registration: { clientId: 'C1', referenceMerchantId: `M${number}`, referenceStoreId: null },
    sinceMs: nowMs - hours * hourMs,
  }))
  const url = '/v1/registrations/unanswered?clientId=C1'

  test('come by age, those longest first, and younger ones when they are asked for', async () => {
    const asked: number[] = []
    await using unanswered = createConsoleApp({
      listAttention: async ({ partition, untilMs }) => {
        asked.push(nowMs - untilMs)
        return { entries: partition < 3 ? opened.slice(partition, partition + 1) : [], next: null }
      },
    }).app
    const answer = await unanswered.inject({ url, headers: { authorization: 'Bearer one-viewer' } })
    expect(answer.json()).toEqual({
      registrations: [1, 2, 0].map((number) => ({
        ...opened[number]?.registration,
        openedAt: new Date(opened[number]?.sinceMs ?? 0).toISOString(),
        unansweredHours: [30, 100, 50][number],
      })),
      next: null,
    })
    await unanswered.inject({ url: `${url}&olderThanHours=2`, headers: { authorization: 'Bearer admin' } })
    expect(new Set(asked)).toEqual(new Set([24 * hourMs, 2 * hourMs]))
  })

  test.each(['rebuilding:1', null])('with the watermark %s are not told yet', async (watermark) => {
    const making = createConsoleApp({
      readWatermark: async ({ partition }) => (partition === 7 ? watermark : 'w1'),
    })
    const answer = await making.ask('GET', url)
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '5'])
  })

  test.each([
    ['of a foreign client are not found', 'one-viewer', 'clientId=C2', 404],
    ['of a client that has none are an empty list', 'one-viewer', 'clientId=C1', 200],
    ['of nobody are refused', 'admin', '', 400],
    ['after a cursor of somebody else are refused', 'admin', 'clientId=C1&cursor=!', 400],
    ['of ten years are refused', 'admin', 'clientId=C1&olderThanHours=87600', 400],
  ])('%s', async (_, token, query, status) => {
    const answer = await console.ask('GET', `/v1/registrations/unanswered?${query}`, token)
    expect(answer.statusCode).toBe(status)
  })
})

function storesOf(answer: Awaited<ReturnType<typeof ask>>): (string | null)[] {
  const { registrations } = answer.json<{
    registrations: { signalbox: { referenceStoreId: string | null } }[]
  }>()
  return registrations.map(({ signalbox }) => signalbox.referenceStoreId)
}
