/** What curl is to send: the bytes themselves, or the file that holds them. */
export type CurlBody = { text: string } | { file: string }

/** A POST as a curl command to paste, with every part quoted for a POSIX shell; it shows the answer's headers too. */
export function curlCommand({
  url,
  headers,
  body,
}: {
  url: string
  headers: readonly (readonly [name: string, value: string])[]
  body: CurlBody
}): string {
  // curl takes brackets and braces in a URL for patterns, and @ at the start of a body for a file.
  const options = /[[\]{}]/.test(url) ? '-sS -i --globoff' : '-sS -i'
  const data =
    'file' in body
      ? `--data-binary ${quoted(`@${body.file}`)}`
      : `${body.text.startsWith('@') ? '--data-raw' : '--data-binary'} ${quoted(body.text)}`
  return [
    `curl ${options} ${quoted(url)}`,
    ...headers.map(([name, value]) => `  -H ${quoted(`${name}: ${value}`)}`),
    `  ${data}`,
  ].join(' \\\n')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
