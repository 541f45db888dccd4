import { createHash } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { createInMemoryLog } from '@signalbox/quarantine/in-memory-log'
import type { RegistrationStore } from '@signalbox/registration-store/registration-store'
import { createLogger } from '@signalbox/runtime/log'
import { createMetrics } from '@signalbox/runtime/metrics'
import { z } from 'zod'
import { createApp } from './app.ts'
import { createAppendCommands } from './append-command.ts'
import { createFindBearer } from './bearers.ts'

export const partitions = 12
export const nowMs = Date.UTC(2026, 5, 1, 12)

type View = Pick<RegistrationStore, 'read' | 'listAttention' | 'readWatermark'>

type MoreOfApp = Pick<Parameters<typeof createApp>[0], 'endpoints' | 'publicKeySet' | 'now'>

const emptyView: View = {
  read: async () => ({ registrations: [], next: null, complete: true }),
  listAttention: async () => ({ entries: [], next: null }),
  readWatermark: async () => 'w1',
}

/** Tokens by their own text: `admin` and `all-…` see every client, `one-…` C1 alone, `none` nothing. */
const tokens = [
  { token: 'admin', role: 'admin', clients: '*', name: 'Ada' },
  { token: 'all-operator', role: 'operator', clients: '*', name: 'Olga' },
  { token: 'all-viewer', role: 'viewer', clients: '*' },
  { token: 'one-admin', role: 'admin', clients: ['C1'] },
  { token: 'one-operator', role: 'operator', clients: ['C1'] },
  { token: 'one-viewer', role: 'viewer', clients: ['C1'] },
  { token: 'none', role: 'operator', clients: [] },
] as const

/** The API over topics in memory and a view that a test may replace in part. */
export function createConsoleApp(
  given: Partial<View> = {},
  { endpoints = null, publicKeySet = { keys: [] }, now = () => nowMs }: Partial<MoreOfApp> = {},
) {
  const memory = createInMemoryLog()
  const lines = { text: '' }
  const destination = new PassThrough().on('data', (chunk) => (lines.text += String(chunk)))
  const log = createLogger('console', { level: 'info', destination })
  const metrics = createMetrics('console')
  let fault: Error | null = null
  let ids = 0
  const producer: typeof memory.producer = {
    async publish(records) {
      if (fault !== null) throw fault
      await memory.producer.publish(records)
    },
  }
  const app = createApp({
    store: { ...emptyView, ...given },
    logReader: memory.log,
    producer,
    appendCommands: createAppendCommands({
      producer,
      topic: 'registration.raw.v1',
      partitions,
      createId: () => `id-${++ids}`,
      now: () => nowMs,
    }),
    endpoints,
    publicKeySet,
    partitions,
    findBearer: createFindBearer({
      tokens: tokens.map(({ token, clients, ...rest }) => ({
        ...rest,
        clients: clients === '*' ? clients : [...clients],
        sha256: sha256(token),
      })),
    }),
    log,
    metrics,
    now,
  })
  return {
    app,
    memory,
    metrics,
    logged: () =>
      lines.text
        .trim()
        .split('\n')
        .map((line) => logLine.parse(JSON.parse(line))),
    loggedText: () => lines.text,
    failAppends: (error: Error) => (fault = error),
    ask: (
      method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
      url: string,
      token: string | null = 'admin',
      body?: object,
      headers: Record<string, string> = {},
    ) =>
      app.inject({
        method,
        url,
        headers: token === null ? headers : { ...headers, authorization: `Bearer ${token}` },
        ...(body === undefined ? {} : { payload: body }),
      }),
  }
}

const logLine = z.looseObject({ msg: z.string() })

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
