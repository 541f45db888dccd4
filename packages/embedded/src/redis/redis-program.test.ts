import { expect, test } from 'vitest'
import { redisMajor } from './redis-program.ts'

test.each([
  ['Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1536df31c0395150', 7],
  ['Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64', 9],
  ['Redis server v=6.2.14 sha=00000000:0 malloc=libc', 6],
  ['something else', 0],
])('the version in %j is %i', (output, major) => {
  expect(redisMajor(output)).toBe(major)
})
