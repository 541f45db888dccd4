/** Each letter is a digit, its place here; none of them needs to be escaped in JSON. */
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

const digitOfCode = Array.from({ length: 128 }, (_, code) => {
  const digit = alphabet.indexOf(String.fromCharCode(code))
  return digit === -1 ? undefined : digit
})

/** From 0 to 63. */
export function letterOf(digit: number): string {
  return alphabet.charAt(digit)
}

/** The digit at this place of a text; undefined: there is none. */
export function digitAt(text: string, place: number): number | undefined {
  return digitOfCode[text.charCodeAt(place)]
}
