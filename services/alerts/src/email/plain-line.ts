/** Control characters of all kinds, line ends, and what turns the direction of a text. */
const harmful = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu

/**
 * One line that does nothing to a mail header, a terminal or the text around it; whatever is harmful becomes a space.
 */
export function plainLine(text: string): string {
  return text.toWellFormed().replaceAll(harmful, ' ').replaceAll(/ {2,}/g, ' ').trim()
}

/** The text as one line of at most `most` characters, with a sign that something is left out. */
export function shortened(text: string, most: number): string {
  const characters = Array.from(plainLine(text))
  return characters.length <= most ? characters.join('') : `${characters.slice(0, most - 1).join('')}…`
}
