import { createHash } from 'node:crypto'
import { alertId, eventTypesIn } from '@signalbox/contracts/alert'
import { merchantKey } from '@signalbox/contracts/keys'
import { partitionOf } from '@signalbox/kafka/partition'
import type { ConsumedRecord, PartitionReader } from '@signalbox/kafka/partition-reader'
import { alertsOfChange } from '../alerts-of-change.ts'
import type { Endpoint } from '../endpoint.ts'
import type { EndpointView } from '../endpoint-view.ts'
import { readChange } from '../read-change.ts'
import type { ReplayBodies } from './replay-bodies.ts'

/** Which alerts of a client are to be sent once more. Absent members choose all. */
export type ReplayChoice = {
  clientId: string
  merchant?: string
  /** Of endpoints that are active now. */
  endpointId?: string
  alertIds?: readonly string[]
  /** Alerts that tell at least one of these. */
  eventTypes?: readonly string[]
  /** Append times of the changes, epoch milliseconds: at or after `fromMs`, before `toMs`. */
  fromMs?: number
  toMs?: number
}

/** One alert that is to be sent once more; its body is under the same names. */
export type ReplayedAlert = {
  id: string
  subject: string
  version: number
  endpointId: string
  variant: string
  partition: number
}

export type ReplayPlan = {
  alerts: number
  /** By endpoint id and by event type; an alert may tell several. */
  endpoints: ReadonlyMap<string, number>
  eventTypes: ReadonlyMap<string, number>
  /** Records that no build of ours can read. */
  unreadable: number
}

export type ReplayJob = {
  jobId: string
  delayMs: number
  data: Omit<ReplayedAlert, 'id'> & { owedSinceMs: number; replayId: string }
}

export type ReplayPorts = {
  reader: Pick<PartitionReader, 'read' | 'bounds' | 'offsetAt'>
  /** Of the changes. */
  topic: string
  partitions: number
  view: Pick<EndpointView, 'ofMerchants'>
}

/** Past it a replay is refused, before anything of it is added. */
const mostReplayed = 100_000
const standardRate = 50
const recordsAtOnce = 200

/** There are more alerts than one replay may send. */
export class ReplayTooLarge extends Error {
  override name = 'ReplayTooLarge'
}

type Chunk = { alerts: readonly ReplayedAlert[]; bodies: ReadonlyMap<string, string> }

/**
 * Counts what a replay would send.
 *
 * @throws ReplayTooLarge; an Error when Kafka or Redis does not answer
 */
export async function planReplay(ports: ReplayPorts, choice: ReplayChoice): Promise<ReplayPlan> {
  const endpoints = new Map<string, number>()
  const eventTypes = new Map<string, number>()
  let alerts = 0
  let unreadable = 0
  const found = chosenAlerts(ports, choice, { unreadable: () => (unreadable += 1) })
  for await (const chunk of found) {
    for (const alert of chunk.alerts) {
      alerts += 1
      countOne(endpoints, alert.endpointId)
      for (const type of typesOf(chunk.bodies.get(bodyName(alert)))) countOne(eventTypes, type)
    }
  }
  return { alerts, endpoints, eventTypes, unreadable }
}

/**
 * Sends alerts once more, under their ids: jobs that a receiver's kit takes for repeats, spread by `perSecond` so that
 * what is new is not kept waiting. Adding the same replay again changes nothing.
 *
 * @throws as `planReplay`; then some jobs may have been added
 */
export async function runReplay(
  ports: ReplayPorts & {
    bodies: Pick<ReplayBodies, 'keep'>
    queue: { add(jobs: readonly ReplayJob[]): Promise<void> }
    now: () => number
  },
  choice: ReplayChoice,
  { replayId, perSecond = standardRate }: { replayId: string; perSecond?: number },
): Promise<ReplayPlan> {
  // All is looked at first, so that a replay that is refused has sent nothing.
  const plan = await planReplay(ports, choice)
  let added = 0
  for await (const { alerts, bodies } of chosenAlerts(ports, choice, { unreadable: () => undefined })) {
    const named = new Map(alerts.map((alert) => [bodyName(alert), alert]))
    await ports.bodies.keep(
      replayId,
      [...named].map(([name, alert]) => ({ ...alert, body: bodies.get(name) ?? '' })),
    )
    const owedSinceMs = ports.now()
    await ports.queue.add(
      alerts.map(({ id, ...of }, index) => ({
        jobId: replayJobId(replayId, id),
        delayMs: Math.floor(((added + index) * 1_000) / perSecond),
        data: { ...of, owedSinceMs, replayId },
      })),
    )
    added += alerts.length
  }
  return plan
}

/** The same alert has another job in each replay, and none of them is the alert's own. */
export function replayJobId(replayId: string, id: string): string {
  return `r-${createHash('sha256').update(`${replayId}|${id}`).digest('base64url').slice(0, 22)}`
}

async function* chosenAlerts(
  ports: ReplayPorts,
  choice: ReplayChoice,
  { unreadable }: { unreadable: () => void },
): AsyncGenerator<Chunk> {
  const { reader, topic } = ports
  const { clientId, merchant, fromMs, toMs } = choice
  const seen = new Set<string>()
  const partitions =
    merchant === undefined
      ? Array.from({ length: ports.partitions }, (_, partition) => partition)
      : [partitionOf(merchantKey({ clientId, referenceMerchantId: merchant }), ports.partitions)]
  for (const partition of partitions) {
    const of = { topic, partition }
    const { start, end } = await reader.bounds(of)
    const from = fromMs === undefined ? start : await reader.offsetAt({ ...of, timeMs: fromMs })
    const to = toMs === undefined ? end : await reader.offsetAt({ ...of, timeMs: toMs })
    for await (const records of reader.read({ ...of, from, to })) {
      for (let first = 0; first < records.length; first += recordsAtOnce) {
        const slice = records.slice(first, first + recordsAtOnce)
        const chunk = await alertsOf(slice, { partition })
        if (seen.size > mostReplayed) {
          throw new ReplayTooLarge(`It would send more than ${mostReplayed} alerts: choose a shorter time.`)
        }
        if (chunk.alerts.length > 0) yield chunk
      }
    }
  }

  async function alertsOf(
    records: readonly ConsumedRecord[],
    { partition }: { partition: number },
  ): Promise<Chunk> {
    const changes = records.flatMap((record) => {
      const read = readChange(record)
      if (read.kind === 'unreadable') unreadable()
      return read.kind === 'change' && isChosen(read.change.registration) ? [read] : []
    })
    const merchants = new Map(changes.map(({ change: { registration: of } }) => [merchantKey(of), of]))
    const listening =
      merchants.size === 0
        ? new Map<string, readonly Endpoint[]>()
        : await ports.view.ofMerchants([...merchants.values()])
    const bodies = new Map<string, string>()
    const alerts = changes.flatMap((caused) => {
      const known = listening.get(merchantKey(caused.change.registration)) ?? []
      const owed = alertsOfChange(caused, known.filter(isWanted))
      for (const body of owed.bodies) bodies.set(bodyName(body), body.body)
      return owed.alerts.flatMap(({ subject, version, endpointId, variant }) => {
        const alert = { subject, version, endpointId, variant, partition }
        const id = alertId(alert)
        if (seen.has(id) || !tells(bodies.get(bodyName(alert))) || !isAsked(id)) return []
        seen.add(id)
        return [{ ...alert, id }]
      })
    })
    return { alerts, bodies }
  }

  function isChosen(of: { clientId: string; referenceMerchantId: string }): boolean {
    return of.clientId === clientId && (merchant === undefined || of.referenceMerchantId === merchant)
  }

  function isWanted({ endpointId, state }: { endpointId: string; state: string }): boolean {
    return state === 'active' && (choice.endpointId === undefined || choice.endpointId === endpointId)
  }

  function isAsked(id: string): boolean {
    return choice.alertIds === undefined || choice.alertIds.includes(id)
  }

  function tells(body: string | undefined): boolean {
    return choice.eventTypes === undefined || typesOf(body).some((type) => choice.eventTypes?.includes(type))
  }
}

function countOne(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1)
}

const bodyName = ({ subject, version, variant }: Pick<ReplayedAlert, 'subject' | 'version' | 'variant'>) =>
  `${version}:${variant}:${subject}`

function typesOf(body: string | undefined): string[] {
  return body === undefined ? [] : eventTypesIn(body)
}
