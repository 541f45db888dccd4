import {
  alipayPlus,
  bothDialects,
  refused,
  replacingHeader,
  taken,
  withHeader,
  withoutHeader,
} from './case.fixture.ts'

const hourMs = 3_600_000
const isoOf = (ms: number) => new Date(ms).toISOString()

const goodForms = [
  ['13 digits, as the Java and Go senders of AMS write it', '1685599933871'],
  ['13 digits that are all zero', '0000000000000'],
  ['an offset and no fraction', '2019-04-04T12:08:56+05:30'],
  ['an offset and three fractional digits', '2019-07-12T12:08:56.253+05:30'],
  ['Z and two fractional digits', '2019-04-04T12:08:49.09Z'],
  ['Z and no fraction', '2019-04-04T12:08:56Z'],
  ['the offset +00:00 of Python', '2019-04-04T12:08:56+00:00'],
  ['the offset without colon of PHP', '2019-04-04T12:08:56+0800'],
  ['the seven fractional digits of .NET', '2019-04-04T12:08:56.1234567Z'],
  ['one fractional digit', '2019-04-04T12:08:56.1Z'],
  ['nine fractional digits', '2019-04-04T12:08:56.123456789-03:00'],
  ['a fraction and an offset without colon', '2019-04-04T12:08:56.253-0330'],
  ['the first second of a year', '2020-01-01T00:00:00Z'],
  ['the last second of a year', '2020-12-31T23:59:59+14:00'],
  ['29 February of a leap year', '2024-02-29T12:00:00Z'],
  ['29 February of the year 2000', '2000-02-29T12:00:00Z'],
] as const

const badForms = [
  ['12 digits', '168559993387'],
  ['14 digits', '16855999338710'],
  ['10 digits, seconds instead of milliseconds', '1685599933'],
  ['13 digits with a sign', '-1685599933871'],
  ['13 digits with a fraction', '1685599933871.5'],
  ['13 full-width digits', Buffer.from('１６８５５９９９３３８７１').toString('latin1')],
  ['a missing offset', '2019-04-04T12:08:56'],
  ['a missing offset after a fraction', '2019-04-04T12:08:56.253'],
  ['a blank instead of T', '2019-04-04 12:08:56Z'],
  ['a lower-case t', '2019-04-04t12:08:56Z'],
  ['a lower-case z', '2019-04-04T12:08:56z'],
  ['a blank before the offset', '2019-04-04T12:08:56 +05:30'],
  ['ten fractional digits', '2019-04-04T12:08:56.1234567890Z'],
  ['a dot without fraction', '2019-04-04T12:08:56.Z'],
  ['a comma before the fraction', '2019-04-04T12:08:56,253Z'],
  ['an offset of hours alone', '2019-04-04T12:08:56+05'],
  ['no seconds', '2019-04-04T12:08Z'],
  ['a date alone', '2019-04-04'],
  ['the basic form without separators', '20190404T120856Z'],
  ['a year of two digits', '19-04-04T12:08:56Z'],
  ['a time with text after it', '2019-04-04T12:08:56Z;'],
  ['the form of HTTP dates', 'Thu, 04 Apr 2019 12:08:56 GMT'],
  ['a word', 'now'],
] as const

const badCalendar = [
  ['30 February', '2019-02-30T12:08:56Z'],
  ['29 February of a common year', '2023-02-29T12:08:56Z'],
  ['29 February of the year 1900', '1900-02-29T12:08:56Z'],
  ['31 April', '2019-04-31T12:08:56Z'],
  ['day 0', '2019-04-00T12:08:56Z'],
  ['month 0', '2019-00-04T12:08:56Z'],
  ['month 13', '2019-13-04T12:08:56Z'],
  ['hour 24', '2019-04-04T24:00:00Z'],
  ['minute 60', '2019-04-04T12:60:00Z'],
  ['second 61', '2019-04-04T12:08:61Z'],
  ['an offset of 99 hours', '2019-04-04T12:08:56+99:00'],
  ['an offset of 60 minutes', '2019-04-04T12:08:56+05:60'],
] as const

/** Every form of Request-Time. */
export const requestTimeCases = ({ nowMs }: { nowMs: number }) => [
  ...bothDialects(
    goodForms.map(([what, time]) => ({
      by: '3.2-grammar',
      that: `${what} is taken`,
      plan: { time },
      ...taken,
    })),
  ),
  ...alipayPlus(
    badForms.map(([what, time]) => ({
      by: '3.2-full-match',
      that: `${what} is refused though it is signed`,
      plan: { time },
      ...refused('PARAM_ILLEGAL'),
    })),
  ),
  ...bothDialects(
    badCalendar.map(([what, time]) => ({
      by: '3.2-calendar',
      that: `${what} is refused though it is signed`,
      plan: { time },
      ...refused('PARAM_ILLEGAL'),
    })),
  ),
  ...bothDialects([
    {
      by: '3.2-required',
      that: 'a request without Request-Time is refused',
      plan: withoutHeader('request-time'),
      ...refused('PARAM_ILLEGAL'),
    },
    {
      by: '3.2-required',
      that: 'a blank Request-Time is refused',
      plan: { time: '' },
      ...refused('PARAM_ILLEGAL'),
    },
    {
      by: '11-joined',
      that: 'a Request-Time that comes twice is refused, even with the same text',
      plan: {
        headers: (lines) => lines.flatMap((line) => (line[0] === 'Request-Time' ? [line, line] : [line])),
      },
      ...refused('PARAM_ILLEGAL'),
    },
    {
      by: '3.2-age-is-a-flag',
      that: 'a time 26 hours ago is taken',
      plan: { time: isoOf(nowMs - 26 * hourMs) },
      ...taken,
    },
    {
      by: '3.2-age-is-a-flag',
      that: 'a time an hour ahead is taken',
      plan: { time: String(nowMs + hourMs) },
      ...taken,
    },
    {
      by: '3.2-age-is-a-flag',
      that: 'a time in the far future is taken',
      plan: { time: '9999999999999' },
      ...taken,
    },
    {
      by: '3.2-as-received',
      that: 'a time that means the same in another spelling does not verify',
      plan: { time: '2019-04-04T12:08:56+00:00', ...replacingHeader('request-time', '2019-04-04T12:08:56Z') },
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '3.2-as-received',
      that: 'a time without its fraction of zeros does not verify',
      plan: { time: '2019-04-04T12:08:56.000Z', ...replacingHeader('request-time', '2019-04-04T12:08:56Z') },
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '3.2-maximum-age',
      that: 'a genuine notification over the maximum age is refused, and its bytes are kept',
      plan: { time: String(nowMs - 25.5 * hourMs) },
      code: 'ACCESS_DENIED',
      signed: 'yes',
      kept: 'over_age',
      on: 'strict',
    },
    {
      by: '3.2-maximum-age',
      that: 'the age is known of an ISO time with offset too',
      plan: { time: isoOf(nowMs - 25.5 * hourMs + 8 * hourMs).replace('Z', '+0800') },
      code: 'ACCESS_DENIED',
      signed: 'yes',
      kept: 'over_age',
      on: 'strict',
    },
    {
      by: '3.2-maximum-age',
      that: 'a notification within the maximum age is taken',
      plan: { time: isoOf(nowMs - 24 * hourMs) },
      ...taken,
      on: 'strict',
    },
    {
      by: '3.2-maximum-age',
      that: 'the future has no limit',
      plan: { time: String(nowMs + 100 * hourMs) },
      ...taken,
      on: 'strict',
    },
    {
      by: '3.2-maximum-age',
      that: 'a forged notification over the maximum age is kept nowhere',
      plan: { time: String(nowMs - 25.5 * hourMs), signed: { body: Buffer.from('{}') } },
      ...refused('INVALID_SIGNATURE'),
      on: 'strict',
    },
    {
      by: '1-check-order',
      that: 'the age is judged before the body is read',
      plan: { time: String(nowMs - 26 * hourMs), body: 'no JSON' },
      code: 'ACCESS_DENIED',
      signed: 'yes',
      kept: 'over_age',
      on: 'strict',
    },
  ]),
  ...alipayPlus([
    {
      by: '11-joined',
      that: 'a second, different Request-Time does not hide behind the first',
      plan: withHeader('Request-Time', '2019-04-04T12:08:56Z'),
      ...refused('PARAM_ILLEGAL'),
    },
  ]),
]
