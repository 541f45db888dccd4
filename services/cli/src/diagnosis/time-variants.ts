/** Another text of Request-Time: what is written there, and in words what that is. */
type TimeVariant = { text: string; what: string; alone: boolean }

const offsetsMinutes = [0, 8 * 60, 5 * 60 + 30]
const nearMs = 2_000
const nearSeconds = 60

/**
 * Times that a sender may have signed while the header says `received`: other forms of the same instant, none at
 * all, and those shortly before and after, because some senders ask the clock twice.
 */
export function timeVariants(received: string, instantMs: number | null): TimeVariant[] {
  const variants = new Map<string, TimeVariant>()
  const add = (text: string, what: string, alone = false) => {
    if (text !== received && !variants.has(text)) {
      variants.set(text, { text, what: text === '' ? what : `'${text}' ${what}`, alone })
    }
  }
  add(received.trim(), 'without the blanks around it')
  add('', 'nothing at all, as if there were no Request-Time')
  for (const word of ['null', 'undefined', 'None']) add(word, 'where the sender has no value')
  if (instantMs === null) return [...variants.values()]

  const sameInstant = 'which is the same instant in another form'
  add(String(instantMs), sameInstant)
  add(String(Math.floor(instantMs / 1_000)), sameInstant)
  // With digits of a second that this clock does not have.
  for (const zone of ['Z', '+00:00', '+0000', '']) add(received.replace(/(?:Z|\+00:?00)$/, zone), sameInstant)
  add(received.replace(/([+-]\d{2}):(\d{2})$/, '$1$2'), sameInstant)
  add(received.replace(/([+-]\d{2})(\d{2})$/, '$1:$2'), sameInstant)
  for (const offset of new Set([offsetOf(received), ...offsetsMinutes])) {
    for (const text of isoForms(instantMs, offset)) add(text, sameInstant)
  }
  for (const [text, deltaMs] of nearInstants(received, instantMs)) {
    add(
      text,
      `which is ${Math.abs(deltaMs)} ms ${deltaMs < 0 ? 'earlier' : 'later'}: its clock is asked twice`,
      true,
    )
  }
  return [...variants.values()]
}

function isoForms(instantMs: number, offsetMinutes: number): string[] {
  const local = new Date(instantMs + offsetMinutes * 60_000).toISOString()
  const seconds = local.slice(0, 19)
  const milliseconds = local.slice(20, 23)
  const fractions = new Set([
    '',
    `.${milliseconds}`,
    `.${milliseconds.replace(/0+$/, '')}`,
    `.${milliseconds}000`,
  ])
  fractions.delete('.')
  const sign = offsetMinutes < 0 ? '-' : '+'
  const hours = String(Math.floor(Math.abs(offsetMinutes) / 60)).padStart(2, '0')
  const minutes = String(Math.abs(offsetMinutes) % 60).padStart(2, '0')
  const zones = [
    `${sign}${hours}:${minutes}`,
    `${sign}${hours}${minutes}`,
    ...(offsetMinutes === 0 ? ['Z'] : []),
    '',
  ]
  return [
    ...[...fractions].flatMap((fraction) => zones.map((zone) => seconds + fraction + zone)),
    seconds.replace('T', ' '),
  ]
}

function offsetOf(text: string): number {
  const match = /([+-])(\d{2}):?(\d{2})$/.exec(text)
  if (match === null || !text.includes('T')) return 0
  return (Number(match[2]) * 60 + Number(match[3])) * (match[1] === '-' ? -1 : 1)
}

/** The same form at other instants: every millisecond near it, or every second where it has no milliseconds. */
function* nearInstants(received: string, instantMs: number): Generator<[text: string, deltaMs: number]> {
  const digits = /^\d{13}$/.test(received)
  const [, before, fraction, zone] =
    /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(\.\d{3})?(Z|[+-]\d{2}:?\d{2})$/.exec(received) ?? []
  if (!digits && before === undefined) return
  const stepMs = digits || fraction !== undefined ? 1 : 1_000
  const steps = stepMs === 1 ? nearMs : nearSeconds
  const offsetMs = offsetOf(received) * 60_000
  for (let step = 1; step <= steps; step++) {
    for (const deltaMs of [-step * stepMs, step * stepMs]) {
      const ms = instantMs + deltaMs
      const local = new Date(ms + offsetMs).toISOString()
      const text = digits ? String(ms) : `${local.slice(0, fraction === undefined ? 19 : 23)}${zone ?? ''}`
      yield [text, deltaMs]
    }
  }
}
