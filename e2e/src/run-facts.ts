import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type AlertReceipt, alertReceipt } from '@signalbox/contracts/alert'
import { type EndpointsFile, endpointsFile } from '@signalbox/contracts/endpoints-file'
import { parseRawHeaders, type RawHeaders } from '@signalbox/contracts/raw-record'
import { type RegistrationChange, registrationChange } from '@signalbox/contracts/registration-change'
import {
  type DeliveryLine,
  deliveryLine,
  type SentLine,
  sentLine,
  truthFile,
} from '@signalbox/contracts/simulator-files'
import { topics } from '@signalbox/contracts/topics'
import { type ConsumedRecord, readTopic } from '@signalbox/kafka/log-reader'
import type { z } from 'zod'
import type { Pipeline } from './pipeline.ts'

/** A raw record as the log holds it. */
export type RawFact = { headers: RawHeaders; body: Buffer; bodySha256: string; record: ConsumedRecord }

/** Everything that a run has left behind, read from its topics and from what the simulator wrote down. */
export type RunFacts = {
  sent: readonly SentLine[]
  deliveries: readonly DeliveryLine[]
  raw: readonly RawFact[]
  /** In log order, repeats on the wire included. */
  changes: readonly RegistrationChange[]
  quarantined: number
  receipts: readonly AlertReceipt[]
  endpoints: EndpointsFile['endpoints']
}

/** Reads the facts of a run. Call it when the run is quiet; it reads up to the ends of the topics at the call. */
export async function readRunFacts(pipeline: Pipeline): Promise<RunFacts> {
  const [raw, changes, quarantine, receipts] = await Promise.all(
    [topics.raw, topics.changes, topics.quarantine, topics.receipts].map(({ name }) =>
      readTopic(pipeline.kafka, name),
    ),
  )
  const endpoints = await readFile(join(pipeline.folder, 'endpoints.json'), 'utf8')
  return {
    sent: await readSent(pipeline),
    deliveries: await readLines(join(pipeline.folder, 'deliveries.jsonl'), deliveryLine),
    raw: (raw ?? []).map(rawFact),
    changes: (changes ?? []).map((record) => registrationChange.parse(jsonOf(record))),
    quarantined: (quarantine ?? []).length,
    receipts: (receipts ?? []).map((record) => alertReceipt.parse(jsonOf(record))),
    endpoints: endpointsFile.parse(JSON.parse(endpoints)).endpoints,
  }
}

/** What the simulator has sent by now, an attempt each. */
export function readSent(pipeline: Pick<Pipeline, 'folder'>): Promise<SentLine[]> {
  return readLines(join(pipeline.folder, 'sent.jsonl'), sentLine)
}

/** The states that the simulator knows its registrations to be in. */
export async function readTruth(pipeline: Pipeline) {
  const text = await readFile(join(pipeline.folder, 'truth.json'), 'utf8')
  return truthFile.parse(JSON.parse(text)).registrations
}

/** The lines that are complete by now; none when the file is not there yet. */
export async function readLines<S extends z.ZodType>(file: string, schema: S): Promise<z.output<S>[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => schema.parse(JSON.parse(line)))
}

function rawFact(record: ConsumedRecord): RawFact {
  const headers = parseRawHeaders(record.headers)
  if (headers === null || record.value === null) throw new Error(`no raw record at offset ${record.offset}`)
  const bodySha256 = createHash('sha256').update(record.value).digest('hex')
  return { headers, body: record.value, bodySha256, record }
}

function jsonOf(record: ConsumedRecord): unknown {
  return JSON.parse(record.value?.toString('utf8') ?? '')
}
