import { expect, test } from 'vitest'
import { createTroubledEndpoints } from './troubled-endpoints.ts'

function createTroubled() {
  const endpoints = createTroubledEndpoints()
  const fail = (times: number) => {
    for (let i = 0; i < times; i++) {
      endpoints.enter('bad')
      endpoints.leave('bad', true)
    }
  }
  const enter = (id: string, times: number) => Array.from({ length: times }, () => endpoints.enter(id))
  return { endpoints, fail, enter }
}

test('an endpoint that is fine may have any number of calls under way', () => {
  const { enter, fail } = createTroubled()
  fail(4)
  expect(enter('bad', 50)).toEqual(Array.from({ length: 50 }, () => true))
})

test('an endpoint that failed five times in a row gets four calls at a time, and others are not touched', () => {
  const { enter, fail, endpoints } = createTroubled()
  fail(5)
  expect(enter('bad', 6)).toEqual([true, true, true, true, false, false])
  expect(endpoints.enter('good')).toBe(true)
  endpoints.leave('bad', true)
  expect(enter('bad', 2)).toEqual([true, false])
})

test('one success ends the trouble; a call that was cancelled says nothing', () => {
  const { enter, fail, endpoints } = createTroubled()
  fail(5)
  enter('bad', 4)
  endpoints.leave('bad', null)
  expect(enter('bad', 2)).toEqual([true, false])
  endpoints.leave('bad', false)
  expect(enter('bad', 2)).toEqual([true, true])
})
