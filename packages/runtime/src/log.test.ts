import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { createLogger } from './log.ts'

const lines: string[] = []
const log = createLogger('test', {
  level: 'info',
  destination: new Writable({
    write(chunk: Buffer, _, done) {
      lines.push(chunk.toString('utf8'))
      done()
    },
  }),
})

test('a line has the event as its message, the service, and the fields', () => {
  log.info({ partition: 3 }, 'thing.happened')
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
    service: 'test',
    partition: 3,
    msg: 'thing.happened',
  })
})

test('of an error only type, message, code, stack and causes are logged, not what a library hung onto it', () => {
  const command = { name: 'eval', args: ['CANARY-rejection-reason'] }
  const cause = Object.assign(new Error('OOM command not allowed'), { code: 'OOM', command })
  log.warn({ err: Object.assign(new Error('cannot write', { cause }), { command }) }, 'thing.failed')
  expect(lines.at(-1)).not.toContain('CANARY')
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
    err: {
      type: 'Error',
      message: 'cannot write',
      cause: { message: 'OOM command not allowed', code: 'OOM' },
    },
  })
})

test('what is thrown without being an error is logged as that, and causes in a circle end', () => {
  const circle = new Error('circle')
  circle.cause = circle
  log.warn({ err: 'CANARY text' }, 'odd')
  expect(lines.at(-1)).not.toContain('CANARY')
  log.warn({ err: circle }, 'odd')
  expect(lines.at(-1)).toContain('circle')
})
