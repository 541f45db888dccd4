/** The headers of a record as texts. */
export function headerTexts(headers: ReadonlyMap<string, Buffer>): Record<string, string> {
  return Object.fromEntries([...headers].map(([name, value]) => [name, value.toString('utf8')]))
}
