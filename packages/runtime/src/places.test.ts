import { expect, test } from 'vitest'
import { createPlaces } from './places.ts'

test('several places come together, and nobody who came later is served before', async () => {
  const places = createPlaces(3)
  const got: string[] = []
  const [first, second] = await places.takeMany(2)
  const three = places.takeMany(3).then(() => got.push('three'))
  const one = places.take().then(() => got.push('one'))
  first?.[Symbol.dispose]()
  await new Promise((resolve) => setImmediate(resolve))
  expect(got).toEqual([])
  second?.[Symbol.dispose]()
  await three
  await new Promise((resolve) => setImmediate(resolve))
  expect(got).toEqual(['three'])
  void one
})

test('who comes when all places are taken waits for his turn', async () => {
  const places = createPlaces(2)
  const got: string[] = []
  const take = async (name: string) => {
    const place = await places.take()
    got.push(name)
    return place
  }
  const [first] = await Promise.all([take('a'), take('b')])
  const third = take('c')
  const fourth = take('d')
  await Promise.resolve()
  expect(got).toEqual(['a', 'b'])
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  const place = await third
  await new Promise((resolve) => setImmediate(resolve))
  expect(got).toEqual(['a', 'b', 'c'])
  place[Symbol.dispose]()
  await fourth
  expect(got).toEqual(['a', 'b', 'c', 'd'])
})
