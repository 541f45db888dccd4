import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { curlCommand } from './curl-command.ts'

/** What a shell hands to curl. */
function argumentsOfCurl(command: string): string[] {
  const shown = execFileSync('/bin/sh', ['-c', `curl() { printf '%s\\0' "$@"; }\n${command}`]).toString()
  return shown.split('\0').slice(0, -1)
}

test('a shell hands curl exactly what was signed, whatever characters the body has', () => {
  const text = '{\n"referenceStoreId": "o\'Neill $HOME `id` \\\\ 店 !"\n}\n'
  const headers = [['Client-Id', "it's"]] as const
  const command = curlCommand({ url: 'http://127.0.0.1:8080/ams/notify', headers, body: { text } })
  expect(argumentsOfCurl(command)).toEqual([
    '-sS',
    '-i',
    'http://127.0.0.1:8080/ams/notify',
    '-H',
    "Client-Id: it's",
    '--data-binary',
    text,
  ])
})

test.each([
  ['a file', { file: '/tmp/a b.json' }, ['--data-binary', '@/tmp/a b.json']],
  ['a text that looks like the name of a file', { text: '@body' }, ['--data-raw', '@body']],
])('%s is sent as what it is', (_, body, expected) => {
  expect(argumentsOfCurl(curlCommand({ url: 'http://h/', headers: [], body })).slice(-2)).toEqual(expected)
})

test('a URL with brackets is no pattern', () => {
  const command = curlCommand({ url: 'http://h/p?a[]={1}', headers: [], body: { text: '' } })
  expect(argumentsOfCurl(command)).toContain('--globoff')
})
