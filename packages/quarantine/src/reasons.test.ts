import { expect, test } from 'vitest'
import { guideTo, reasonGuides, reasons } from './reasons.ts'

test.each(Object.entries(reasonGuides))('%s says what it means and what to do', (reason, guide) => {
  expect(guideTo(reason)).toEqual(guide)
  for (const text of [guide.meaning, guide.whatToDo]) expect(text).toMatch(/^[A-Z].*\.$/s)
})

test('each reason is explained in words of its own', () => {
  expect(new Set(Object.values(reasonGuides).map(({ meaning }) => meaning)).size).toBe(reasons.length)
})

test('a reason that a newer version wrote is told to be unknown, and so are names of Object', () => {
  for (const reason of ['too_blue', 'constructor']) expect(guideTo(reason).meaning).toMatch(/does not know/)
})
