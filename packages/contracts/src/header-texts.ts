/** Headers of a record by name; those read from Kafka give a text in half the time that it takes to make a buffer too. */
export type ReadHeaders = ReadonlyMap<string, Buffer> & { text?: (name: string) => string | undefined }

/** The text of a header; undefined: there is none. */
export function headerText(headers: ReadHeaders, name: string): string | undefined {
  return headers.text === undefined ? headers.get(name)?.toString('utf8') : headers.text(name)
}

/** The headers of a record as texts. */
export function headerTexts(headers: ReadonlyMap<string, Buffer>): Record<string, string> {
  return Object.fromEntries([...headers].map(([name, value]) => [name, value.toString('utf8')]))
}
