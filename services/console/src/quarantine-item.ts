import { headerTexts } from '@signalbox/contracts/header-texts'
import { requestIdIn, type Summary } from '@signalbox/quarantine/quarantine'
import { positionText, type Quarantined } from '@signalbox/quarantine/quarantined-record'
import { guideTo } from '@signalbox/quarantine/reasons'
import { obstacles, redriveRecord } from '@signalbox/quarantine/redrive-record'

/** One quarantined record as lists show it. */
export function quarantineItem(record: Omit<Summary, 'key' | 'valueBytes'>) {
  const { origin } = record
  return {
    position: positionText(record),
    setAsideAt: new Date(record.setAsideMs).toISOString(),
    reason: record.reason,
    where: record.where,
    clientId: record.clientId,
    kind: record.kind,
    notificationId: record.notificationId,
    origin: origin && {
      topic: origin.topic,
      partition: origin.partition,
      offset: origin.offset,
      appendedAt: new Date(origin.timestampMs).toISOString(),
    },
    source: record.source,
    attributedTo: record.attributedTo,
  }
}

/** One quarantined record with all that is known of it: what it means, what to do, its headers and its bytes. */
export function quarantineDetail(record: Quarantined, partitions: number) {
  const { meaning, whatToDo } = guideTo(record.reason)
  const made = redriveRecord(record, { topic: '', partitions, attributedTo: null })
  return {
    ...quarantineItem(record),
    meaning,
    whatToDo,
    registrationRequestId: requestIdIn(record),
    redrive: made.kind === 'record' ? { possible: true } : { possible: false, why: obstacles[made.obstacle] },
    key: record.key,
    headers: headerTexts(record.headers),
    body: bodyOf(record),
  }
}

/** As text where the bytes are UTF-8. */
function bodyOf({ value }: Quarantined) {
  if (value === null) return null
  const text = value.toString('utf8')
  return Buffer.from(text, 'utf8').equals(value)
    ? { bytes: value.length, text }
    : { bytes: value.length, base64: value.toString('base64') }
}
