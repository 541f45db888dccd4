import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { type ArrivedMail, type MailServer, openMailServer } from '../mail-server.fixture.ts'
import { openPipeline, type Pipeline } from '../pipeline.ts'

/** The merchant of one of the simulator's samples. */
const merchant = '2188120000190000'
const address = 'alerts@merchant.example'
/** As a proxy before the console would have it. */
const publicUrl = 'https://console.example/signalbox'
const waiting = { timeout: 60_000, interval: 100 }

let mailServer: MailServer
let pipeline: Pipeline

beforeAll(async () => {
  mailServer = await openMailServer()
  pipeline = await openPipeline({
    env: process.env,
    alertsEnv: {
      SMTP_URL: mailServer.url,
      MAIL_FROM: 'Signalbox <alerts@acquirer.example>',
      CONSOLE_PUBLIC_URL: publicUrl,
    },
  })
})
afterAll(async () => {
  await pipeline?.[Symbol.asyncDispose]()
  await mailServer?.[Symbol.asyncDispose]()
})

const clientsFile = z.object({ clients: z.array(z.object({ clientId: z.string() })).min(1) })
const endpointShape = z.object({
  endpointId: z.string(),
  state: z.string(),
  reason: z.string().nullable(),
  history: z.array(z.object({ by: z.string(), action: z.string() })),
})

test('an address is asked, confirms, hears of a registration, and ends it with one click', async () => {
  const created = await ask('POST', '/v1/endpoints', {
    clientId: await sampleClient(),
    merchant,
    target: { type: 'email', address },
  })
  expect([created.status, created.body]).toEqual([201, expect.anything()])
  const { endpoint } = z.object({ endpoint: endpointShape }).parse(created.body)
  const at = `/v1/endpoints/${endpoint.endpointId}`
  const look = async () => endpointShape.parse((await ask('GET', at)).body)

  const question = await mailNumber(1)
  expect(question.recipients).toEqual([address])
  expect(question.mail.subject).toBe('Please confirm your e-mail address for alerts')
  expect(question.mail.headers.has('list-unsubscribe')).toBe(false)
  const confirmation = pathIn(question.mail.text ?? '')
  expect(question.mail.html).toContain(publicUrl + confirmation)

  const page = await fetch(pipeline.consoleUrl + confirmation)
  expect([page.status, (await look()).state]).toEqual([200, 'unverified'])
  expect((await fetch(pipeline.consoleUrl + confirmation, { method: 'POST' })).status).toBe(200)
  expect((await look()).state).toBe('active')

  const send = await pipeline.simulate('send', { url: pipeline.ingressUrl, notifications: 0, seeds: true })
  expect(await send.ended).toBe('exit code 0')
  const { mail, recipients } = await mailNumber(2)
  expect(recipients).toEqual([address])
  for (const form of [mail.text, mail.html]) {
    expect(form).toContain(merchant)
    expect(form).toContain('CASHIER_PAYMENT')
    expect(form).toContain('rejectionReason message')
  }

  const unsubscribe = z.object({ unsubscribe: z.object({ url: z.string() }) }).parse(mail.headers.get('list'))
  const click = await fetch(pipeline.consoleUrl + pathIn(unsubscribe.unsubscribe.url), {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'List-Unsubscribe=One-Click',
  })
  expect(click.status).toBe(200)
  const ended = await look()
  expect(ended).toMatchObject({ state: 'disabled', reason: 'unsubscribed' })
  expect(ended.history.map(({ action }) => action)).toEqual(['created', 'verified', 'disabled'])
  expect(mailServer.arrived).toHaveLength(2)
})

test('an address that lost its link gets another one, five times an hour at most', async () => {
  const before = mailServer.arrived.length
  const created = await ask('POST', '/v1/endpoints', {
    clientId: await sampleClient(),
    merchant: 'nobody',
    target: { type: 'email', address: 'other@merchant.example' },
  })
  const { endpoint } = z.object({ endpoint: endpointShape }).parse(created.body)
  await mailNumber(before + 1)
  const verify = () => ask('POST', `/v1/endpoints/${endpoint.endpointId}/verify`)
  for (let times = 1; times <= 4; times += 1) {
    expect((await verify()).status).toBe(202)
    const { mail } = await mailNumber(before + 1 + times)
    expect(mail.subject).toBe('Please confirm your e-mail address for alerts')
  }
  expect((await verify()).status).toBe(429)
  const last = await mailNumber(before + 5)
  expect((await fetch(pipeline.consoleUrl + pathIn(last.mail.text ?? ''), { method: 'POST' })).status).toBe(
    200,
  )
  expect(endpointShape.parse((await verify()).body).state).toBe('active')
})

async function sampleClient(): Promise<string> {
  const text = await readFile(join(pipeline.folder, 'clients.json'), 'utf8')
  const [first] = clientsFile.parse(JSON.parse(text)).clients
  return first?.clientId ?? ''
}

async function ask(method: string, path: string, body?: object): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(pipeline.consoleUrl + path, {
    method,
    headers: {
      authorization: `Bearer ${pipeline.consoleToken}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: answer.status, body: await answer.json() }
}

/** Waits for the n-th mail, from 1. */
async function mailNumber(n: number): Promise<ArrivedMail> {
  return vi.waitFor(() => {
    const arrived = mailServer.arrived[n - 1]
    if (arrived === undefined) throw new Error(`mail ${n} has not arrived`)
    return arrived
  }, waiting)
}

/** The path of the link of a mail, as the console sees it behind the proxy. */
function pathIn(text: string): string {
  const [, path] = /https:\/\/console\.example\/signalbox(\/e\/[A-Za-z0-9._-]+)/.exec(text) ?? []
  if (path === undefined) throw new Error('there is no link')
  return path
}
