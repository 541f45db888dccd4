import { describe, expect, test } from 'vitest'
import {
  approved,
  cancelled,
  changedBody,
  completed,
  endpointBody,
  flaggedBody,
  rejected,
  reopened,
} from './alert-bodies.fixture.ts'
import { letterOfAlert, verificationLetter } from './letter.ts'

const links = { unsubscribeUrl: 'https://console.example/e/t0k.en', publicUrl: 'https://console.example/sb/' }
const letterOf = (body: Parameters<typeof letterOfAlert>[0]) => letterOfAlert(body, links)

/** All that a reader gets to see, in one text. */
function wordsOf(letter: ReturnType<typeof letterOf>): string {
  return JSON.stringify(letter)
}

const store = 'store S1 of merchant M1'

test.each([
  ['an approval', changedBody([approved]), `Approved: KAKAOPAY ONLINE_PAYMENT: ${store}`],
  ['a rejection', changedBody([rejected]), `Rejected: GCASH ONLINE_PAYMENT: ${store}`],
  ['a cancellation', changedBody([cancelled]), `Cancelled: KAKAOPAY ONLINE_PAYMENT: ${store}`],
  ['a final that is open again', changedBody([reopened]), `Open again: KAKAOPAY ONLINE_PAYMENT: ${store}`],
  ['a complete collective', changedBody([completed]), `All wallets have answered: ${store}`],
  ['several events', changedBody([approved, rejected]), `2 changes: ${store}`],
  [
    'more events than there is room for',
    changedBody([approved], { eventsTotal: 400 }),
    `400 changes: ${store}`,
  ],
  ['a flag', flaggedBody, `Please look at ${store}`],
  ['a warning', endpointBody('endpoint.warned', { detail: '75' }), 'Alerts keep failing: endpoint shop-hook'],
  ['a disabled endpoint', endpointBody('endpoint.disabled'), 'Disabled: endpoint shop-hook'],
  ['an endpoint that is back', endpointBody('endpoint.enabled'), 'Works again: endpoint shop-hook'],
] as const)('%s has a subject that says what it is and whose', (_, body, subject) => {
  expect(letterOf(body).subject).toBe(subject)
})

describe('a changed registration', () => {
  test('is told with every event, its wallet, product, status before and after, and the reason', () => {
    expect(letterOf(changedBody([approved, rejected])).events).toEqual([
      {
        sentence: 'KAKAOPAY has approved the product ONLINE_PAYMENT.',
        facts: [
          { name: 'Wallet', value: 'KAKAOPAY' },
          { name: 'Product', value: 'ONLINE_PAYMENT' },
          { name: 'Status', value: 'APPROVED' },
          { name: 'Status before', value: 'PENDING' },
        ],
      },
      {
        sentence: 'GCASH has rejected the product ONLINE_PAYMENT.',
        facts: [
          { name: 'Wallet', value: 'GCASH' },
          { name: 'Product', value: 'ONLINE_PAYMENT' },
          { name: 'Status', value: 'REJECTED' },
          { name: 'Status before', value: 'PENDING' },
          { name: 'Reason', value: 'The shop front does not show the name <Café & "Söhne">' },
        ],
      },
    ])
  })

  test('is named with merchant, store, client, overall status, version and time', () => {
    expect(letterOf(changedBody([approved])).facts).toEqual([
      { name: 'Merchant', value: 'M1' },
      { name: 'Store', value: 'S1' },
      { name: 'Client', value: 'C1' },
      { name: 'Overall status', value: 'PROCESSING' },
      { name: 'Version', value: '7' },
      { name: 'Time', value: '2026-06-01 08:00:00 UTC' },
    ])
  })

  test('without a store is told as the merchant’s', () => {
    const registration = { clientId: 'C1', referenceMerchantId: 'M1', referenceStoreId: null }
    const letter = letterOf(changedBody([approved], { registration }))
    expect(letter.subject).toBe('Approved: KAKAOPAY ONLINE_PAYMENT: merchant M1')
    expect(letter.facts.map(({ name }) => name)).not.toContain('Store')
  })

  test.each([
    [approved, 'nothing is left to do'],
    [rejected, 'put right what the reason names'],
    [cancelled, 'if you did not ask for this'],
    [reopened, 'wait for the answer'],
    [completed, 'look at each answer'],
  ])('with $type says what to do next', (event, advice) => {
    expect(letterOf(changedBody([event])).nextSteps.join(' ')).toContain(advice)
  })

  test('says each step once, however many events ask for it', () => {
    const { nextSteps } = letterOf(changedBody([approved, approved, rejected]))
    expect(new Set(nextSteps).size).toBe(nextSteps.length)
    expect(nextSteps).toHaveLength(3)
  })

  test.each([null, ''])('with the rejection reason %j says that none was given', (rejectionReason) => {
    const letter = letterOf(changedBody([{ ...rejected, rejectionReason }]))
    expect(letter.events[0]?.facts).toContainEqual({ name: 'Reason', value: 'none was given' })
  })

  test('with more events than there is room for says how many there are and links to all', () => {
    const next = '/v1/registrations?clientId=C1&referenceMerchantId=M1'
    const letter = letterOf(changedBody([approved], { eventsTotal: 400, next }))
    expect(letter.nextSteps.join(' ')).toContain('the first 1 of 400 changes')
    expect(letter.link?.url).toBe(`https://console.example/sb${next}`)
  })

  test.each(['//evil.example\u0000', 'https://evil.example/', `/v1/${'x'.repeat(900)}`, '/v1/a b'])(
    'never links to %j',
    (next) => {
      expect(letterOf(changedBody([approved], { eventsTotal: 2, next })).link).toBeNull()
    },
  )

  test('tells operators its flags', () => {
    const letter = letterOf(changedBody([approved], { flags: ['late_round'] }))
    expect(letter.facts).toContainEqual({ name: 'Flags', value: 'late_round' })
  })
})

test('a flagged registration says which flags', () => {
  expect(letterOf(flaggedBody).facts).toContainEqual({
    name: 'Flags',
    value: 'final_contradicted, late_round',
  })
})

describe('an endpoint', () => {
  test('in a warning says how much of its time is over', () => {
    expect(wordsOf(letterOf(endpointBody('endpoint.warned', { detail: '75' })))).toContain(
      '75 % of the time after which it is disabled',
    )
  })

  test.each([
    ['by_operator', 'an operator disabled it'],
    ['gone', 'it said that it is no more'],
    ['failing', 'alerts failed for too long'],
    ['unsubscribed', 'its owner asked for no more e-mails'],
    ['a_later_reason', 'a_later_reason'],
  ])('disabled for %s says so in words, once', (reason, words) => {
    const { facts } = letterOf(endpointBody('endpoint.disabled', { reason, detail: reason }))
    expect(facts.filter(({ value }) => value === words || value === reason)).toEqual([
      { name: 'Reason', value: words },
    ])
  })

  test('that fails is said to be tried still, any other one is not', () => {
    const [failing, gone] = ['failing', 'gone'].map((reason) =>
      letterOf(endpointBody('endpoint.disabled', { reason })).nextSteps.join(),
    )
    expect(failing).toContain('tried from time to time')
    expect(gone).toContain('No alerts are sent')
  })

  test('of the whole client is told in words', () => {
    expect(wordsOf(letterOf(endpointBody('endpoint.enabled', { merchant: '*' })))).toContain(
      'every merchant of the client',
    )
  })
})

test('every alert has the link that ends them', () => {
  for (const body of [changedBody([approved]), flaggedBody, endpointBody('endpoint.enabled')]) {
    expect(letterOf(body).unsubscribe?.url).toBe(links.unsubscribeUrl)
  }
})

test('the mail that asks for a confirmation has its link, its end, and nothing to unsubscribe from', () => {
  const letter = verificationLetter({
    endpoint: { endpointId: 'shop-mail', clientId: 'C1', merchant: 'M1' },
    url: 'https://console.example/e/t0k.en',
    expiresAtMs: Date.UTC(2026, 5, 8, 8),
  })
  expect(letter.link).toEqual({ label: 'Confirm this address', url: 'https://console.example/e/t0k.en' })
  expect(letter.nextSteps.join(' ')).toContain('until 2026-06-08 08:00:00 UTC')
  expect(letter.unsubscribe).toBeNull()
})
