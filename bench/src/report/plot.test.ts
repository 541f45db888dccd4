import { expect, test } from 'vitest'
import { plotBars } from './plot.ts'

const exact = (value: number) => ({ median: value, min: value, max: value })

test('a bar is as long as its median, and its line reaches from the least to the greatest', () => {
  const svg = plotBars([
    {
      title: 'per second',
      digits: 0,
      bars: [
        { label: 'one', value: { median: 50, min: 25, max: 100 } },
        { label: 'other', value: exact(10) },
      ],
    },
  ])
  expect([...svg.matchAll(/<rect class="bar" x="210" y="\d+" width="([\d.]+)"/g)].map(([, w]) => w)).toEqual([
    '220',
    '44',
  ])
  expect(svg).toContain('<line class="spread" x1="320" x2="650"')
  expect(svg).toContain('>50</text>')
})

test('panels lie below each other within the height of the picture', () => {
  const bars = [{ label: 'one', value: exact(1) }]
  const svg = plotBars([
    { title: 'first', digits: 0, bars },
    { title: 'second', digits: 0, bars },
  ])
  const height = Number(/viewBox="0 0 \d+ (\d+)"/.exec(svg)?.[1])
  const top = (pattern: RegExp) => [...svg.matchAll(pattern)].map(([, y]) => Number(y))
  const titles = top(/<text class="title" x="\d+" y="(\d+)"/g)
  const rows = top(/<rect class="bar" x="\d+" y="(\d+)"/g)
  const inOrder = [titles[0], rows[0], titles[1], rows[1], height].map(Number)
  expect(inOrder).toEqual(inOrder.toSorted((one, other) => one - other))
  expect(new Set(inOrder).size).toBe(5)
})

test('what was not measured is left out, with the title of an empty panel', () => {
  const svg = plotBars([
    { title: 'empty', digits: 0, bars: [{ label: 'none', value: exact(Number.NaN) }] },
    { title: 'zero', digits: 0, bars: [{ label: 'nothing', value: exact(0) }] },
  ])
  expect(svg).not.toMatch(/empty|NaN/)
  expect(svg).toContain('nothing')
})

test('texts cannot break the picture', () => {
  const svg = plotBars([{ title: 'a < b & c', digits: 0, bars: [{ label: '</svg>', value: exact(1) }] }])
  expect(svg).toContain('a &lt; b &amp; c')
  expect(svg.match(/<\/svg>/g)).toHaveLength(1)
})
