import assert from 'node:assert/strict'
import fc from 'fast-check'
import { createTransport } from 'nodemailer'
import { expect, test } from 'vitest'
import { approved, changedBody, hostileBody } from './alert-bodies.fixture.ts'
import { letterOfAlert, verificationLetter } from './letter.ts'
import { mailMessage } from './mail-message.ts'

const links = {
  unsubscribeUrl: `https://console.example/e/${'t'.repeat(250)}`,
  publicUrl: 'https://console.example',
}
const common = {
  id: 'a-0123456789abcdefghijkl',
  from: { name: 'Signalbox', address: 'alerts@signalbox.example' },
  address: 'owner@shop.example',
  nowMs: Date.UTC(2026, 5, 1, 8),
}
const composer = createTransport({ streamTransport: true, buffer: true, newline: 'windows' })

/** The mail as it goes over the wire. */
async function wireOf(letter: Parameters<typeof mailMessage>[0]['letter']): Promise<string> {
  const { message } = await composer.sendMail(mailMessage({ ...common, letter }))
  assert(Buffer.isBuffer(message), 'the transport was asked for a buffer')
  return message.toString('utf8')
}

function byName(a: string | undefined, b: string | undefined): number {
  return (a ?? '').localeCompare(b ?? '')
}

function headerLines(wire: string): string[] {
  return wire
    .slice(0, wire.indexOf('\r\n\r\n'))
    .replaceAll(/\r\n[ \t]/g, ' ')
    .split('\r\n')
}

const alertHeaders = [
  'Auto-Submitted',
  'X-Auto-Response-Suppress',
  'List-Unsubscribe',
  'List-Unsubscribe-Post',
  'From',
  'To',
  'Subject',
  'Message-ID',
  'Date',
  'MIME-Version',
  'Content-Type',
].toSorted(byName)

test('an alert is marked as automatic, and can be ended with one click', async () => {
  const lines = headerLines(await wireOf(letterOfAlert(changedBody([approved]), links)))
  expect(lines.map((line) => line.split(':', 1)[0]).toSorted(byName)).toEqual(alertHeaders)
  expect(lines).toEqual(
    expect.arrayContaining([
      'From: Signalbox <alerts@signalbox.example>',
      'To: owner@shop.example',
      'Message-ID: <a-0123456789abcdefghijkl@signalbox.example>',
      'Date: Mon, 01 Jun 2026 08:00:00 +0000',
      'Auto-Submitted: auto-generated',
      `List-Unsubscribe: <${links.unsubscribeUrl}>`,
      'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
    ]),
  )
})

test('a mail that asks for a confirmation has nothing to unsubscribe from', async () => {
  const endpoint = { endpointId: 'e', clientId: 'C1', merchant: 'M1' }
  const wire = await wireOf(verificationLetter({ endpoint, url: 'https://c.example/e/t', expiresAtMs: 0 }))
  expect(wire).not.toContain('List-Unsubscribe')
})

test('whatever merchants and wallets are called, no header is added and no line is too long', async () => {
  await fc.assert(
    fc.asyncProperty(hostileBody, async (body) => {
      const wire = await wireOf(letterOfAlert(body, links))
      const lines = headerLines(wire)
      expect(lines.map((line) => line.split(':', 1)[0]).toSorted(byName)).toEqual(alertHeaders)
      expect(lines.filter((line) => /^To:/i.test(line))).toEqual(['To: owner@shop.example'])
      for (const line of wire.split('\r\n')) {
        expect(Buffer.byteLength(line)).toBeLessThanOrEqual(998)
        expect(line).not.toMatch(/[\r\n]/)
      }
    }),
    { numRuns: 60 },
  )
})

test('a mail is for one recipient, whatever the headers say', () => {
  const letter = letterOfAlert(changedBody([approved]), links)
  expect(mailMessage({ ...common, letter }).envelope).toEqual({
    from: 'alerts@signalbox.example',
    to: ['owner@shop.example'],
  })
})

test.each(['', 'a b', 'a\r\nBcc: x', 'a>'])('an id such as %j never gets into a header', (id) => {
  const letter = letterOfAlert(changedBody([approved]), links)
  expect(() => mailMessage({ ...common, id, letter })).toThrow('a mail is named by')
})
