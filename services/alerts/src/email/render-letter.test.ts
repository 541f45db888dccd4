import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  approved,
  changedBody,
  flaggedBody,
  hostileBody,
  hostileText,
  rejected,
} from './alert-bodies.fixture.ts'
import { letterOfAlert, verificationLetter } from './letter.ts'
import { plainLine, shortened } from './plain-line.ts'
import { renderLetter } from './render-letter.ts'

const links = {
  unsubscribeUrl: `https://console.example/e/${'t'.repeat(250)}`,
  publicUrl: 'https://console.example',
}
const rendered = (body: Parameters<typeof letterOfAlert>[0]) => renderLetter(letterOfAlert(body, links))

test('an alert reads well in a terminal', () => {
  const { text } = renderLetter(
    letterOfAlert(changedBody([approved, rejected]), { ...links, unsubscribeUrl: 'https://c.example/e/t' }),
  )
  expect(text).toBe(`There is news about the registration of the store S1 of the merchant M1: 2
changes.

* KAKAOPAY has approved the product ONLINE_PAYMENT.
  Wallet:        KAKAOPAY
  Product:       ONLINE_PAYMENT
  Status:        APPROVED
  Status before: PENDING
* GCASH has rejected the product ONLINE_PAYMENT.
  Wallet:        GCASH
  Product:       ONLINE_PAYMENT
  Status:        REJECTED
  Status before: PENDING
  Reason:        The shop front does not show the name <Café & "Söhne">

Merchant:       M1
Store:          S1
Client:         C1
Overall status: PROCESSING
Version:        7
Time:           2026-06-01 08:00:00 UTC

What to do next

- Approved: nothing is left to do for this product.
- Rejected: put right what the reason names, then register again with a new
  registration request.
- E-mails can arrive in another order than they were sent: the one with the
  greatest version is true now.

-- 
This e-mail was sent by a program. Nobody reads an answer to it.

Stop these e-mails:
https://c.example/e/t
`)
})

describe('HTML', () => {
  const { html, subject } = rendered(changedBody([approved, rejected]))

  test('names its language and its title, and has tables for data only, with heads', () => {
    expect(html).toMatch(/^<!doctype html>\n<html lang="en-GB">\n/)
    expect(html).toContain(`<title>${subject}</title>`)
    for (const table of html.split('<table').slice(1)) {
      expect(table).toMatch(/^[^>]*>\n<caption/)
      expect(table).toContain('<th scope="row"')
    }
    expect(html).toContain('<th scope="col"')
  })

  test('says each thing in the column of its name', () => {
    const rows = [...html.matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row = '']) =>
      [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/g)].map(([, cell]) => cell),
    )
    expect(rows.slice(0, 3)).toEqual([
      ['Event', 'Wallet', 'Product', 'Status', 'Status before', 'Reason'],
      [
        'KAKAOPAY has approved the product ONLINE_PAYMENT.',
        'KAKAOPAY',
        'ONLINE_PAYMENT',
        'APPROVED',
        'PENDING',
        '',
      ],
      [
        'GCASH has rejected the product ONLINE_PAYMENT.',
        'GCASH',
        'ONLINE_PAYMENT',
        'REJECTED',
        'PENDING',
        'The shop front does not show the name &lt;Café &amp; &quot;Söhne&quot;&gt;',
      ],
    ])
  })

  test('loads nothing from anywhere', () => {
    expect(html).not.toMatch(/<(?:img|link|script|iframe|object|video)|url\(|@import|src=/i)
  })
})

test('a confirmation has its link in both forms', () => {
  const url = 'https://console.example/e/abc.def'
  const endpoint = { endpointId: 'shop-mail', clientId: 'C1', merchant: '*' }
  const { text, html } = renderLetter(verificationLetter({ endpoint, url, expiresAtMs: 0 }))
  expect(text).toContain(`Confirm this address:\n${url}\n`)
  expect(html).toContain(`<a href="${url}">Confirm this address</a>`)
})

const tag = /<[^<>]*>/g
/** The tags of mails in which every text is harmless, and links to our own pages. */
const ownTags = new Set(
  [changedBody([approved, rejected]), flaggedBody].flatMap((body) => rendered(body).html.match(tag) ?? []),
)
const ownLink = /^<a href="https:\/\/console\.example\/[\x21\x23-\x3b\x3d\x3f-\x7e]*">$/

describe('whatever merchants and wallets are called', () => {
  test('a subject is one line without controls, of at most 150 characters', () => {
    fc.assert(
      fc.property(hostileBody, (body) => {
        const { subject } = rendered(body)
        expect(subject).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}]/u)
        expect(Array.from(subject).length).toBeLessThanOrEqual(150)
      }),
    )
  })

  test('HTML has no markup but ours', () => {
    fc.assert(
      fc.property(hostileBody, (body) => {
        const { html } = rendered(body)
        const others = (html.match(tag) ?? []).filter((found) => !ownTags.has(found) && !ownLink.test(found))
        expect(others).toEqual([])
        expect(html.replaceAll(tag, '')).not.toMatch(/[<>"']/)
        expect(html).not.toMatch(/&(?!amp;|lt;|gt;|quot;|#39;)/)
      }),
    )
  })

  test('a line of text has at most 998 bytes, does nothing to a terminal, and 76 characters unless a link', () => {
    fc.assert(
      fc.property(hostileBody, (body) => {
        const lines = rendered(body).text.split('\n')
        for (const line of lines) {
          expect(Buffer.byteLength(line)).toBeLessThanOrEqual(998)
          expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}]/u)
        }
        const words = lines.filter((line) => !line.startsWith('https://console.example/'))
        expect(Math.max(...words.map((line) => Array.from(line).length))).toBeLessThanOrEqual(76)
      }),
    )
  })

  test('no visible character of a value is lost in the text', () => {
    fc.assert(
      fc.property(hostileText, (reason) => {
        fc.pre(plainLine(reason) !== '')
        const { text } = rendered(changedBody([{ ...rejected, rejectionReason: reason }]))
        expect(text.replaceAll(/\s/gu, '')).toContain(plainLine(reason).replaceAll(/\s/gu, ''))
      }),
    )
  })
})

test.each([
  ['abc', 3, 'abc'],
  ['abcd', 3, 'ab…'],
  ['🏪🏪🏪🏪', 3, '🏪🏪…'],
  [' a\r\n b ', 10, 'a b'],
])('%j in %i characters is %j', (text, most, short) => {
  expect(shortened(text, most)).toBe(short)
})
