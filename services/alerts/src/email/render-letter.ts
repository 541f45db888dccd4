import type { EventLine, Fact, Letter } from './letter.ts'
import { plainLine, shortened } from './plain-line.ts'

/** An e-mail as its reader gets it, in two forms that say the same. */
export type LetterText = { subject: string; text: string; html: string }

/** Characters; a terminal has 80. The links of a letter, which must stay whole, may be longer. */
const textWidth = 76
/** Characters. Mail programs show fewer. */
const maxSubject = 150

export function renderLetter(letter: Letter): LetterText {
  return { subject: shortened(letter.subject, maxSubject), text: textOf(letter), html: htmlOf(letter) }
}

function textOf(letter: Letter): string {
  const { opening, facts, events, nextSteps, link, closing, unsubscribe } = letter
  const parts = [
    ...opening.map((line) => wrapped(line, '', '')),
    ...(events.length === 0 ? [] : [events.map(eventText).join('\n')]),
    factsText(facts, ''),
    ...(nextSteps.length === 0
      ? []
      : ['What to do next', nextSteps.map((line) => wrapped(line, '- ', '  ')).join('\n')]),
    ...(link === null ? [] : [`${link.label}:\n${link.url}`]),
    // The mark by which mail programs know where a text ends and its footer begins.
    `-- \n${closing.map((line) => wrapped(line, '', '')).join('\n')}`,
    ...(unsubscribe === null ? [] : [`${unsubscribe.label}:\n${unsubscribe.url}`]),
  ]
  return `${parts.join('\n\n')}\n`
}

function eventText({ sentence, facts }: EventLine): string {
  return `${wrapped(sentence, '* ', '  ')}\n${factsText(facts, '  ')}`
}

function factsText(facts: readonly Fact[], indent: string): string {
  const width = Math.max(0, ...facts.map(({ name }) => name.length)) + 2
  return facts
    .map(({ name, value }) =>
      wrapped(value, `${indent}${`${name}:`.padEnd(width)}`, `${indent}${' '.repeat(width)}`),
    )
    .join('\n')
}

/** The text in lines of at most `textWidth` characters: the first begins with `first`, the others with `others`. */
function wrapped(text: string, first: string, others: string): string {
  const lines: string[] = []
  let line = first
  let isEmpty = true
  for (const word of plainLine(text)
    .split(' ')
    .flatMap((word) => pieces(word, textWidth - others.length))) {
    if (!isEmpty && lengthOf(line) + 1 + lengthOf(word) > textWidth) {
      lines.push(line)
      line = others
      isEmpty = true
    }
    line += isEmpty ? word : ` ${word}`
    isEmpty = false
  }
  return [...lines, line].join('\n')
}

/** A word that fits no line is cut, but for the addresses that we write ourselves. */
function pieces(word: string, width: number): string[] {
  const characters = Array.from(word)
  const cuts = Math.ceil(characters.length / width) || 1
  return Array.from({ length: cuts }, (_, cut) => characters.slice(cut * width, (cut + 1) * width).join(''))
}

function lengthOf(text: string): number {
  return Array.from(text).length
}

const style = {
  body: 'font-family:system-ui,sans-serif;font-size:16px;line-height:1.5;max-width:40em;margin:1em auto;padding:0 1em',
  table: 'border-collapse:collapse;margin:1em 0',
  caption: 'text-align:left;font-weight:bold',
  cell: 'text-align:left;vertical-align:top;padding:.2em 1em .2em 0',
}

function htmlOf(letter: Letter): string {
  const { subject, opening, facts, events, nextSteps, link, closing, unsubscribe } = letter
  const title = escapeHtml(shortened(subject, maxSubject))
  const lines = [
    '<!doctype html>',
    '<html lang="en-GB">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${title}</title>`,
    '</head>',
    `<body style="${style.body}">`,
    `<h1 style="font-size:1.25em">${title}</h1>`,
    ...opening.map(paragraph),
    ...(events.length === 0 ? [] : eventsHtml(events)),
    ...factsHtml(facts),
    ...(nextSteps.length === 0
      ? []
      : [
          '<h2 style="font-size:1em">What to do next</h2>',
          '<ul>',
          ...nextSteps.map((line) => `<li>${escapeHtml(line)}</li>`),
          '</ul>',
        ]),
    ...(link === null ? [] : [`<p>${anchor(link)}</p>`]),
    '<hr>',
    ...closing.map(paragraph),
    ...(unsubscribe === null ? [] : [`<p>${anchor(unsubscribe)}</p>`]),
    '</body>',
    '</html>',
  ]
  return `${lines.join('\n')}\n`
}

/** The columns are the names of all facts, in the order in which they first come. */
function eventsHtml(events: readonly EventLine[]): string[] {
  const names = [...new Set(events.flatMap(({ facts }) => facts.map(({ name }) => name)))]
  return [
    `<table style="${style.table}">`,
    `<caption style="${style.caption}">What happened</caption>`,
    `<tr>${['Event', ...names].map((name) => headCell(name, 'col')).join('')}</tr>`,
    ...events.map(({ sentence, facts }) => {
      const values = new Map(facts.map(({ name, value }) => [name, value]))
      const cells = names.map((name) => cell(values.get(name) ?? ''))
      return `<tr>${headCell(sentence, 'row')}${cells.join('')}</tr>`
    }),
    '</table>',
  ]
}

function factsHtml(facts: readonly Fact[]): string[] {
  return [
    `<table style="${style.table}">`,
    `<caption style="${style.caption}">Particulars</caption>`,
    ...facts.map(({ name, value }) => `<tr>${headCell(name, 'row')}${cell(value)}</tr>`),
    '</table>',
  ]
}

function headCell(text: string, scope: 'row' | 'col'): string {
  return `<th scope="${scope}" style="${style.cell};font-weight:normal">${escapeHtml(text)}</th>`
}

function cell(text: string): string {
  return `<td style="${style.cell}">${escapeHtml(text)}</td>`
}

function paragraph(text: string): string {
  return `<p>${escapeHtml(text)}</p>`
}

function anchor({ label, url }: { label: string; url: string }): string {
  return `<a href="${escapeHtml(url)}">${escapeHtml(label)}</a>`
}

const entities = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
])

/** Text for between tags and inside quoted attributes. */
function escapeHtml(text: string): string {
  return plainLine(text).replaceAll(/[&<>"']/g, (character) => entities.get(character) ?? '')
}
