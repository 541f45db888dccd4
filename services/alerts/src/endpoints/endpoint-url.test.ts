import { expect, test } from 'vitest'
import { insecurityOf } from './endpoint-url.ts'

test.each(['https://merchant.example/hook', 'https://hooks.merchant.example.:8443/a?b=c'])(
  '%s may be used',
  (url) => {
    expect(insecurityOf(new URL(url))).toBeNull()
  },
)

test.each([
  ['http://merchant.example/', 'not https'],
  ['https://127.0.0.1/', 'IP address'],
  ['https://0x7f.1/', 'IP address'],
  ['https://2130706433/', 'IP address'],
  ['https://169.254.169.254/latest', 'IP address'],
  ['https://[::1]/', 'IP address'],
  ['https://[::ffff:7f00:1]/', 'IP address'],
  ['https://localhost/', 'private network'],
  ['https://LOCALHOST./', 'private network'],
  ['https://printer.local/', 'private network'],
  ['https://vault.internal./', 'private network'],
  ['https://nas.home.arpa/', 'private network'],
  ['https://intranet/', 'private network'],
])('%s must not: %s', (url, why) => {
  expect(insecurityOf(new URL(url))).toContain(why)
})
