import type { Spread } from './statistics.ts'

/** One bar of a panel: its value, and how far the rounds lie apart. */
export type Bar = { label: string; value: Spread }
export type Panel = { title: string; digits: number; bars: readonly Bar[] }

const width = 760
const barsFrom = 210
const longestBar = 440
const rowHeight = 24
const barHeight = 14
const titleHeight = 34
const margin = 16

// A picture shown by <img> cannot ask its page for colours, but it can ask the reader's.
const style = `
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; }
  .bar { fill: #4c8ed9; }
  .spread { stroke: #24292f; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #d5dbe1; }
    .bar { fill: #3b78bd; }
    .spread { stroke: #d5dbe1; }
  }`

/** Draws panels of horizontal bars, one below the other, each with a scale of its own; bars of no value are left out. */
export function plotBars(panels: readonly Panel[]): string {
  const parts: string[] = []
  let y = margin
  for (const { title, digits, bars } of panels) {
    const drawn = bars.filter(({ value }) => Number.isFinite(value.median))
    if (drawn.length === 0) continue
    parts.push(`<text class="title" x="${margin}" y="${y + 16}">${escaped(title)}</text>`)
    y += titleHeight
    const greatest = Math.max(...drawn.map(({ value }) => value.max), Number.MIN_VALUE)
    const at = (value: number) => rounded(barsFrom + (value / greatest) * longestBar)
    for (const { label, value } of drawn) {
      const middle = y + barHeight / 2
      parts.push(
        `<text x="${barsFrom - 10}" y="${middle + 4}" text-anchor="end">${escaped(label)}</text>`,
        `<rect class="bar" x="${barsFrom}" y="${y}" width="${rounded(at(value.median) - barsFrom)}" height="${barHeight}"/>`,
        `<line class="spread" x1="${at(value.min)}" x2="${at(value.max)}" y1="${middle}" y2="${middle}"/>`,
        `<text x="${rounded(at(value.max) + 8)}" y="${middle + 4}">${value.median.toFixed(digits)}</text>`,
      )
      y += rowHeight
    }
    y += margin
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" role="img">`,
    `<style>${style}\n</style>`,
    ...parts,
    '</svg>\n',
  ].join('\n')
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
