import type { SetAside, Story } from './story.ts'

/** A registration's history, line by line, for people who know nothing of registers. */
export function storyLines(story: Story, { merchant, place }: { merchant: string; place: string }): string[] {
  const store = story.referenceStoreId === null ? 'without a store' : `store ${story.referenceStoreId}`
  return [
    `Merchant ${merchant}, ${store} (${place})`,
    ...story.chapters.flatMap(({ title, said, outcome, why }, index) => [
      '',
      `${String(index + 1).padStart(3)}. ${title}`,
      `     ${said}`,
      ...why.map((line, place) => (place === 0 ? `     ${outcome}: ${line}` : `       ${line}`)),
    ]),
    '',
    'So it stands:',
    ...story.ending.map((line) => `     ${line}`),
    '',
  ]
}

/** What had no effect, and where to look further. */
export function setAsideLines(setAside: readonly SetAside[]): string[] {
  if (setAside.length === 0) return []
  return [
    'Set aside, so without effect on any registration:',
    ...setAside.map(
      ({ title, reason, where }) => `     ${title}: ${reason}${where === '' ? '' : ` at ${where}`}`,
    ),
    '     What to do: signalbox quarantine list, and docs/quarantine.md.',
    '',
  ]
}
