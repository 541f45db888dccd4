import { createHash } from 'node:crypto'
import type { EndpointWriter } from '@signalbox/alert-endpoints/change-endpoint'
import {
  addressOf,
  changeEndpoint,
  type Decision,
  type Endpoint,
  type EndpointProblem,
} from '@signalbox/alert-endpoints/endpoint'
import {
  digestOfAddress,
  type Link,
  type LinkAction,
  type LinkKeys,
  type ReadLink,
  readLinkToken,
} from '@signalbox/alert-endpoints/link-token'
import type { Logger } from '@signalbox/runtime/log'
import type { FastifyInstance, FastifyReply } from 'fastify'

/** What the links of e-mails need: the keys that made them, and the writer of endpoints. */
export type EmailLinkPorts = {
  writer: Pick<EndpointWriter, 'change'>
  keys: LinkKeys
  log: Logger
  /** Epoch milliseconds. */
  now: () => number
}

type Page = { status: number; title: string; text: string; button?: string; retryAfterS?: number }

/** Who does it, for the audit trail. */
const byLink = 'link in an e-mail'
/** The body of a button or of a one-click unsubscription is some bytes; what it says is in the link already. */
const maxBodyBytes = 4 * 1024
/** Changes at a time, and per endpoint in a minute. What is forged or expired costs nothing but a code. */
const maxChanges = 8
const maxChangesPerMinute = 5
const maxEndpointsWatched = 10_000
const minuteMs = 60_000

/**
 * Adds the pages behind the links of e-mails: `GET /e/<token>` shows what the link would do and changes nothing,
 * because mail scanners follow links; `POST /e/<token>` does it, for the page's button and for the one-click
 * unsubscription of mail programs (RFC 8058). Nobody needs a bearer token: the link itself is the permission.
 */
export function addEmailLinkRoutes(app: FastifyInstance, ports: EmailLinkPorts): void {
  const { writer, keys, log, now } = ports
  const enter = createBound(now)

  void app.register(async (pages) => {
    // A scope of its own, so that no other route takes bodies that are not JSON.
    pages.removeAllContentTypeParsers()
    pages.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maxBodyBytes }, async () => null)

    // A wildcard, because parameters of a path are limited to 100 characters.
    pages.get<{ Params: { '*': string } }>('/e/*', async ({ params }, reply) => {
      const read = readLinkToken(params['*'], { keys, nowMs: now() })
      return show(reply, read.kind === 'good' ? offers[read.link.action] : pageOfUseless(read))
    })

    pages.post<{ Params: { '*': string } }>('/e/*', async ({ params }, reply) => {
      const read = readLinkToken(params['*'], { keys, nowMs: now() })
      if (read.kind !== 'good') return show(reply, pageOfUseless(read))
      const leave = enter(read.link.endpointId)
      if (leave === null) return show(reply, tooMany)
      try {
        return await show(reply, await follow(read.link))
      } finally {
        leave()
      }
    })
  })

  async function follow(link: Link): Promise<Page> {
    const { endpointId, action } = link
    try {
      const result = await writer.change(endpointId, (known, nowMs) => decide(known, link, nowMs))
      const outcome = result.kind === 'refused' ? result.problem : result.kind
      log.info({ endpointId, action, outcome }, 'email_link.followed')
      return pageOfOutcome(action, outcome)
    } catch (err) {
      log.warn({ err, endpointId, action }, 'email_link.failed')
      return later
    }
  }
}

/** What a link makes of its endpoint, as long as that has the address to which the link went. */
function decide(known: Endpoint | null, { action, addressDigest }: Link, nowMs: number): Decision {
  const address = known?.target?.type === 'email' ? addressOf(known.target) : null
  if (address === null) return { kind: 'refused', problem: 'not_found' }
  if (digestOfAddress(address) !== addressDigest) return { kind: 'refused', problem: 'other_address' }
  return changeEndpoint(
    known,
    action === 'verify' ? { kind: 'verify', address } : { kind: 'disable', reason: 'unsubscribed' },
    { nowMs, by: byLink },
  )
}

/** Bounds how often the links of one endpoint are followed, and how many are at a time; null: not now. */
function createBound(now: () => number): (endpointId: string) => (() => void) | null {
  const recent = new Map<string, { sinceMs: number; count: number }>()
  let running = 0
  return function enter(endpointId) {
    const known = recent.get(endpointId)
    const counted =
      known !== undefined && now() - known.sinceMs < minuteMs ? known : { sinceMs: now(), count: 0 }
    if (running >= maxChanges || counted.count >= maxChangesPerMinute) return null
    counted.count++
    running++
    recent.delete(endpointId)
    recent.set(endpointId, counted)
    const [oldest] = recent.keys()
    if (recent.size > maxEndpointsWatched && oldest !== undefined) recent.delete(oldest)
    return () => void running--
  }
}

/** What a link would do, with the button that does it. */
const offers: Record<LinkAction, Page> = {
  verify: {
    status: 200,
    title: 'Confirm your address',
    text: 'Press the button, and alerts are sent to the address at which you got this link.',
    button: 'Confirm this address',
  },
  unsubscribe: {
    status: 200,
    title: 'Stop these e-mails',
    text: 'Press the button, and no more alerts are sent to the address at which you got this link.',
    button: 'Stop these e-mails',
  },
}

const done: Record<LinkAction, Page> = {
  verify: {
    status: 200,
    title: 'Your address is confirmed',
    text: 'Alerts are sent to it from now on. Every one has a link that stops them.',
  },
  unsubscribe: {
    status: 200,
    title: 'The e-mails are stopped',
    text: 'No more alerts are sent to your address. One that is on its way may still arrive. If you want them again, ask your acquirer.',
  },
}

const later: Page = {
  status: 503,
  title: 'Not done yet',
  text: 'This cannot be done at the moment. Nothing has been changed as far as we know: go back, and press the button again in a minute.',
  button: 'Try again',
  retryAfterS: 30,
}

const tooMany: Page = {
  status: 429,
  title: 'Too often',
  text: 'This link was followed too often. Wait a minute, then press the button again.',
  button: 'Try again',
  retryAfterS: 60,
}

function pageOfUseless(read: Exclude<ReadLink, { kind: 'good' }>): Page {
  if (read.kind === 'forged') {
    return {
      status: 404,
      title: 'This link is not complete',
      text: 'Nothing was changed. Copy the whole link out of the e-mail, also when it stands on two lines.',
    }
  }
  const remedy =
    read.link.action === 'verify'
      ? 'Ask whoever entered your address for a new one.'
      : 'Take the link of a newer e-mail.'
  return { status: 410, title: 'This link has expired', text: `Nothing was changed. ${remedy}` }
}

function pageOfOutcome(
  action: LinkAction,
  outcome: 'changed' | 'unchanged' | 'busy' | EndpointProblem,
): Page {
  if (outcome === 'changed' || outcome === 'unchanged') return done[action]
  if (outcome === 'busy') return later
  if (action === 'unsubscribe') {
    return {
      status: 200,
      title: 'There is nothing to stop',
      text: 'No alerts are sent to the address at which you got this link.',
    }
  }
  return {
    status: 409,
    title: 'Nothing was changed',
    text: 'Your address can no longer be confirmed by this link, because the alerts were stopped or go elsewhere by now. Ask whoever entered your address.',
  }
}

const style =
  'body{font:1.1em/1.5 system-ui,sans-serif;max-width:34em;margin:3em auto;padding:0 1em}button{font:inherit;padding:.5em 1em}'
const styleDigest = createHash('sha256').update(style).digest('base64')

const securityHeaders = {
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleDigest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'x-robots-tag': 'noindex',
  'cache-control': 'no-store',
}

/** The form has no address of its own: it goes to that of the page, whatever stands before it in a proxy. */
function show(reply: FastifyReply, { status, title, text, button, retryAfterS }: Page): FastifyReply {
  const lines = [
    '<!doctype html>',
    '<html lang="en-GB">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width">',
    `<title>${title}</title>`,
    `<style>${style}</style>`,
    '</head>',
    '<body>',
    '<main>',
    `<h1>${title}</h1>`,
    `<p>${text}</p>`,
    ...(button === undefined ? [] : [`<form method="post"><button>${button}</button></form>`]),
    '</main>',
    '</body>',
    '</html>',
  ]
  if (retryAfterS !== undefined) reply.header('retry-after', String(retryAfterS))
  return reply
    .code(status)
    .headers(securityHeaders)
    .type('text/html; charset=utf-8')
    .send(`${lines.join('\n')}\n`)
}
