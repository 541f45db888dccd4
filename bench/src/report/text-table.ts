import type { Spread } from './statistics.ts'

/** The median, with the least and the greatest where the rounds lie apart; a dash for none. */
export function cell({ median, min, max }: Spread, digits: number): string {
  if (Number.isNaN(median)) return '–'
  const text = (value: number) => value.toFixed(digits)
  return min === max ? text(median) : `${text(median)} (${text(min)}–${text(max)})`
}

/** Columns of equal width: the first ones to the left, figures to the right. */
export function textTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { titles }: { titles: number },
): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]) =>
    row
      .map((text, column) =>
        column < titles ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd()
  return [line(head), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line)].join('\n')
}
