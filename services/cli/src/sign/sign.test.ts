import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { parseSignatureHeader, verifySignature } from '@signalbox/alipay/signature'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { runVerb } from '../cli.fixture.ts'
import { signVerb } from './sign.ts'

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sign-'))
  writeFileSync(join(folder, 'alipay.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
})
afterEach(() => vi.restoreAllMocks())
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const sign = (url: string, ...args: string[]) => {
  const key = ['--private-key', join(folder, 'alipay.pem'), '--key-version', '3']
  return runVerb(signVerb, ...key, '--client-id', 'T_1', '--url', url, ...args)
}

/** What curl would send, as a shell that runs the command tells it. */
function requestOf(command: string) {
  const shown = execFileSync('/bin/sh', ['-c', `curl() { printf '%s\\0' "$@"; }\n${command}`]).toString()
  const args = shown.split('\0').slice(0, -1)
  const headers = new Map(
    args.flatMap((arg, index) => {
      const [name = '', value = ''] = arg.split(': ')
      return args[index - 1] === '-H' ? [[name.toLowerCase(), value] as const] : []
    }),
  )
  const body = args.at(-1) ?? ''
  const url = new URL(args.find((arg) => arg.startsWith('http')) ?? '')
  return {
    uri: url.pathname + url.search,
    headers,
    body: body.startsWith('@') ? readFileSync(body.slice(1)) : Buffer.from(body),
  }
}

function isSigned({ uri, headers, body }: ReturnType<typeof requestOf>): boolean {
  const header = parseSignatureHeader(headers.get('signature') ?? '')
  const parts = {
    uri,
    clientId: headers.get('client-id') ?? '',
    time: headers.get('request-time') ?? '',
    body,
  }
  return header?.keyVersion === '3' && verifySignature(parts, header.signature, publicKey)
}

test('the command sends the bytes of the file, signed for path and query', async () => {
  const file = join(folder, "it's a body.json")
  writeFileSync(file, Buffer.from([0x7b, 0x0d, 0x0a, 0x00, 0xff, 0x7d]))
  const { exitCode, stdout } = await sign('https://pay.example.com:8443/notify?a=[1]#x', '--body', file)
  expect(exitCode).toBe(0)
  const request = requestOf(stdout)
  expect(request.uri).toBe('/notify?a=[1]')
  expect(request.headers.get('content-type')).toBe('application/json; charset=UTF-8')
  expect(isSigned(request)).toBe(true)
  expect(isSigned({ ...request, uri: '/notify' })).toBe(false)
})

test('a body from standard input stands in the command, whatever characters it has', async () => {
  const text = '{"referenceStoreId": "o\'Neill $HOME `id` \\\\ 店 !"}\n'
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(
    Object.assign(Readable.from([Buffer.from(text)]), process.stdin),
  )
  const { stdout } = await sign(
    'http://127.0.0.1:8080/notify',
    '--body',
    '-',
    '--request-time',
    '1685599933871',
  )
  const request = requestOf(stdout)
  expect(request.body.toString()).toBe(text)
  expect(request.headers.get('request-time')).toBe('1685599933871')
  expect(isSigned(request)).toBe(true)
})

test('the private key is not in what is printed', async () => {
  const file = join(folder, 'body.json')
  writeFileSync(file, '{}')
  const { stdout } = await sign('http://h/notify', '--body', file)
  const pem = readFileSync(join(folder, 'alipay.pem'), 'utf8')
  for (const line of pem.split('\n').slice(1, -2)) expect(stdout).not.toContain(line)
})

test.each([
  [['--body', 'gone.json'], '--body gone.json cannot be read (ENOENT)'],
  [['--body', '/'], '--body / cannot be read (EISDIR)'],
  [
    ['--body', '/dev/null', '--private-key', '/dev/null'],
    '--private-key /dev/null cannot be used: it is no private',
  ],
  [['--body', '/dev/null', '--url', '/notify'], '--url does not fit: it must look like'],
  [['--body', '/dev/null', '--client-id', 'T 1'], '--client-id does not fit: visible ASCII'],
])('%j is refused with what to do', async (args, problem) => {
  const { exitCode, stdout, stderr } = await sign('http://h/notify', ...args)
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
  expect(stderr).toContain(problem)
})
