import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { curlCommand } from './curl.ts'

test('a shell hands curl exactly what was signed, whatever characters the body has', () => {
  const body = Buffer.from('{\n"referenceStoreId": "o\'Neill $HOME `id` \\\\ 店 !"\n}')
  const headers = [['Client-Id', "it's"]] as const
  const command = curlCommand('http://127.0.0.1:8080', {
    path: '/ams/notify',
    requestTime: '',
    headers,
    body,
  })
  const shown = execFileSync('/bin/sh', ['-c', `curl() { printf '%s\\0' "$@"; }\n${command}`]).toString()
  expect(shown.split('\0').slice(0, -1)).toEqual([
    '-sS',
    '-i',
    'http://127.0.0.1:8080/ams/notify',
    '-H',
    "Client-Id: it's",
    '--data-binary',
    body.toString(),
  ])
})
