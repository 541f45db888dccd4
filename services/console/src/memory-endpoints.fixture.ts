import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Attempt } from '@signalbox/alert-endpoints/attempt-log'
import type { ChangeResult } from '@signalbox/alert-endpoints/change-endpoint'
import { changeEndpoint, type Endpoint, standardSettings } from '@signalbox/alert-endpoints/endpoint'
import { fineHealth, type Health } from '@signalbox/alert-endpoints/endpoint-health'
import type { ReplayChoice, ReplayPlan } from '@signalbox/alert-endpoints/replay'
import { readSealingKeys } from '@signalbox/alert-endpoints/sealing'
import { endpointKey } from '@signalbox/contracts/endpoint-record'
import { encodeKeyPart } from '@signalbox/contracts/keys'
import { createAddressGuard } from '@signalbox/webhook-sender/address-guard'
import type { Answer, SendWebhook } from '@signalbox/webhook-sender/send-webhook'
import type { EndpointPorts } from './endpoint-exchange.ts'

type Call = Parameters<SendWebhook>[0]

const hangUp: (call: Call) => Promise<Answer> = async () => ({ kind: 'none', error: 'connection' })

const planOf = ({ endpointId = 'ep-1' }: ReplayChoice): ReplayPlan => ({
  alerts: 2,
  endpoints: new Map([[endpointId, 2]]),
  eventTypes: new Map([['entry.approved', 2]]),
  unreadable: 0,
})

/** Endpoints in memory, as one writer leaves them; the keys and the guard are the real ones. */
export function createMemoryEndpoints({ now }: { now: () => number }) {
  const records = new Map<string, Endpoint>()
  const health = new Map<string, Health>()
  const attempts: (Attempt & { endpointId: string })[] = []
  const calls: Call[] = []
  const replayed: (ReplayChoice & { replayId: string })[] = []
  let fault: Error | null = null
  let outcome: ChangeResult | null = null
  let answer = hangUp

  const whenWell =
    <T>(value: () => T) =>
    async () => {
      if (fault !== null) throw fault
      return value()
    }
  const ports: EndpointPorts = {
    view: {
      find: (endpointId) => whenWell(() => records.get(endpointId) ?? null)(),
      list: ({ clientId, cursor = '0:', limit }) =>
        whenWell(() => {
          const prefix = clientId === undefined ? '' : `${encodeKeyPart(clientId)}/`
          const following = [...records.values()]
            .filter((one) => one.state !== 'deleted' && `0:${endpointKey(one)}` > cursor)
            .filter((one) => endpointKey(one).startsWith(prefix))
            .toSorted((a, b) => (endpointKey(a) < endpointKey(b) ? -1 : 1))
          const page = following.slice(0, limit)
          const last = page.at(-1)
          return { endpoints: page, next: last && following.length > limit ? `0:${endpointKey(last)}` : null }
        })(),
      ofMerchants: () => whenWell(() => new Map([['all', [...records.values()]]]))(),
    },
    writer: {
      change: (endpointId, decide) =>
        whenWell((): ChangeResult => {
          if (outcome !== null) return outcome
          const decision = decide(records.get(endpointId) ?? null, now())
          if (decision.kind !== 'changed') return decision
          records.set(endpointId, decision.next)
          return { kind: 'changed', endpoint: decision.next }
        })(),
    },
    sealing: createSealingKeys(),
    guard: createAddressGuard({ allowHttp: false, allowedNetworks: [], ports: [443, 8443] }),
    send: async (call) => {
      calls.push(call)
      return answer(call)
    },
    signingKey: null,
    attempts: {
      list: (endpointId, { alertId, limit }) =>
        whenWell(() => {
          const found = attempts.filter(
            (one) => one.endpointId === endpointId && (alertId === undefined || one.alertId === alertId),
          )
          return { attempts: found.slice(0, limit), next: found.length > limit ? '1-0' : null }
        })(),
    },
    replays: {
      plan: (choice) => whenWell(() => planOf(choice))(),
      run: (choice, { replayId }) =>
        whenWell(() => {
          replayed.push({ ...choice, replayId })
          return planOf(choice)
        })(),
    },
    health: { read: (endpointId) => whenWell(() => health.get(endpointId) ?? fineHealth)() },
  }
  return {
    ports,
    records,
    health,
    attempts,
    calls,
    replayed,
    /** Makes an unverified webhook. */
    add: (of: { endpointId: string; clientId: string }) =>
      ports.writer.change(of.endpointId, (known) =>
        changeEndpoint(
          known,
          {
            kind: 'create',
            ...of,
            merchant: 'M1',
            settings: {
              ...standardSettings,
              target: { type: 'webhook', url: 'https://merchant.example/alerts', headers: {} },
            },
            secret: { secretId: 's-1', sealed: ports.sealing.seal(randomBytes(32), of) },
          },
          { nowMs: now(), by: 'test' },
        ),
      ),
    fail: (error: Error | null) => (fault = error),
    /** What the writer answers in place of deciding. */
    answerChanges: (result: ChangeResult | null) => (outcome = result),
    answerCalls: (how: typeof hangUp) => (answer = how),
  }
}

function createSealingKeys() {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-endpoint-keys-'))
  try {
    return readSealingKeys(writeEndpointKeys(folder))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Writes new keys of endpoints into a folder; gives the file that ENDPOINT_KEYS_FILE names. */
export function writeEndpointKeys(folder: string): string {
  const file = join(folder, 'endpoint-keys.json')
  writeFileSync(join(folder, 'key'), randomBytes(32).toString('base64'), { mode: 0o600 })
  writeFileSync(file, JSON.stringify({ keys: [{ keyId: 'k1', state: 'active', keyFile: 'key' }] }))
  return file
}
