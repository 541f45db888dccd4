import { expect, test } from 'vitest'
import { z } from 'zod'
import { inquiryConfig, inquiryEnv } from './config.ts'
import { standardLimits } from './due.ts'

const read = (env: Record<string, string>) => inquiryConfig(z.object(inquiryEnv).parse(env))

test('inquiries are off unless they are turned on, whether or not there is a clients file', () => {
  expect(read({})).toBeNull()
  expect(read({ CLIENTS_FILE: 'clients.json' })).toBeNull()
})

test('turned on, they have their documented limits', () => {
  expect(read({ INQUIRY: 'true', CLIENTS_FILE: 'clients.json' })).toEqual({
    clientsFile: 'clients.json',
    perMinute: 60,
    limits: standardLimits,
  })
  expect(
    read({ INQUIRY: 'true', CLIENTS_FILE: 'c', INQUIRIES_PER_MINUTE: '5', UNANSWERED_AFTER_MS: '3600000' }),
  ).toMatchObject({ perMinute: 5, limits: { unansweredAfterMs: 3_600_000 } })
})

test('turned on without a clients file they refuse to start, naming the variable', () => {
  expect(() => read({ INQUIRY: 'true' })).toThrow(/CLIENTS_FILE is missing/)
})
