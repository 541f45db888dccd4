import type { Dialect } from './life-history.ts'
import type { Random } from './random.ts'

/** Every form of Request-Time that is met in the field; those without a fraction cut it off. */
const requestTimeForms = {
  /** 1685599933871 */
  epoch: String,
  /** 2019-04-04T12:08:56+05:30 */
  offset: (ms) => `${localTime(ms, 330).slice(0, 19)}+05:30`,
  /** 2019-04-04T12:08:56.253+05:30 */
  'fraction-offset': (ms) => `${localTime(ms, 330)}+05:30`,
  /** 2019-04-04T12:08:49.09Z */
  'short-fraction': (ms) => `${localTime(ms, 0).slice(0, 22)}Z`,
  /** 2019-04-04T12:08:56Z */
  zulu: (ms) => `${localTime(ms, 0).slice(0, 19)}Z`,
  /** 2019-04-04T12:08:56+0800 */
  'compact-offset': (ms) => `${localTime(ms, 480).slice(0, 19)}+0800`,
  /** 2019-04-04T12:08:56.1234567Z */
  ticks: (ms) => `${localTime(ms, 0)}4567Z`,
} as const satisfies Record<string, (ms: number) => string>

export type RequestTimeForm = keyof typeof requestTimeForms

const requestTimeFormNames = [
  'epoch',
  'offset',
  'fraction-offset',
  'short-fraction',
  'zulu',
  'compact-offset',
  'ticks',
] as const satisfies readonly RequestTimeForm[]

/** In what a sender may differ from another, all of it allowed. */
export type SenderQuirks = {
  requestTimeForm: RequestTimeForm
  headerNames: 'documented' | 'lower' | 'upper'
  /** How the signature's base64 is escaped; `bare` is not at all. */
  percentHex: 'upper' | 'lower' | 'bare'
  blankAfterComma: boolean
  contentType: string | null
  /** Headers that the protocol does not name but some SDKs send. */
  extraHeaders: boolean
}

/** The plain sender of the documents. */
export const documentedSender: SenderQuirks = {
  requestTimeForm: 'fraction-offset',
  headerNames: 'documented',
  percentHex: 'upper',
  blankAfterComma: false,
  contentType: 'application/json; charset=UTF-8',
  extraHeaders: false,
}

export function createQuirks(random: Random, dialect: Dialect): SenderQuirks {
  return {
    requestTimeForm: dialect === 'ams' && random.chance(0.7) ? 'epoch' : random.pick(requestTimeFormNames),
    headerNames: random.pick(['documented', 'lower', 'upper']),
    percentHex: random.pick(['upper', 'lower', 'bare']),
    blankAfterComma: random.chance(0.3),
    contentType: random.pick(['application/json', 'application/json; charset=UTF-8', null]),
    extraHeaders: random.chance(0.2),
  }
}

/** The text of a Request-Time. */
export function formatRequestTime(ms: number, form: RequestTimeForm): string {
  return requestTimeForms[form](ms)
}

/** `YYYY-MM-DDThh:mm:ss.sss` as a clock that many minutes east of Greenwich shows it. */
function localTime(ms: number, offsetMinutes: number): string {
  return new Date(ms + offsetMinutes * 60_000).toISOString().slice(0, 23)
}
