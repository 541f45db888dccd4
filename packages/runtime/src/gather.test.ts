import { expect, test } from 'vitest'
import { createGather } from './gather.ts'

function openScene({ most = 100 } = {}) {
  const calls: string[][] = []
  const ask = createGather({
    keyOf: (item: string) => item.slice(0, 1),
    most,
    async call(items) {
      calls.push([...items])
      if (items.includes('x-bad')) throw new Error('broken')
      return items.map((item) => `${item}!`)
    },
  })
  return { calls, ask }
}

test('what is asked in one turn goes together by its key, and everyone gets his own answer', async () => {
  const { calls, ask } = openScene()
  const asked = ['a1', 'b1', 'a2', 'a3'].map((item) => ask(item))
  const later = Promise.resolve()
    .then(() => undefined)
    .then(() => ask('b2'))
  expect(await Promise.all([...asked, later])).toEqual(['a1!', 'b1!', 'a2!', 'a3!', 'b2!'])
  expect(calls).toEqual([
    ['a1', 'a2', 'a3'],
    ['b1', 'b2'],
  ])
})

test('what is asked later is another call, and there are no more in one than may be', async () => {
  const { calls, ask } = openScene({ most: 2 })
  await ask('a1')
  await Promise.all(['a2', 'a3', 'a4'].map((item) => ask(item)))
  expect(calls).toEqual([['a1'], ['a2', 'a3'], ['a4']])
})

test('a call that rejects does so for those that it was made for', async () => {
  const { ask } = openScene()
  const ended = await Promise.allSettled(['x-bad', 'a1', 'x-good'].map((item) => ask(item)))
  expect(ended.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected'])
  expect(await ask('x-good')).toBe('x-good!')
})
