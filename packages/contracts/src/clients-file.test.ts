import { expect, test } from 'vitest'
import { clientsFile } from './clients-file.ts'

const client = { clientId: 'C1', dialect: 'ams', paths: ['/a'], alipayKeys: [], ownKeys: [] }
const isTaken = (inquiryUrl: string) =>
  clientsFile.safeParse({ clients: [{ ...client, inquiryUrl }] }).success

test.each([
  'https://open-sea.alipayplus.com',
  'https://open-na-global.alipay.com/',
  'https://gateway.example:8443',
  'http://127.0.0.1:8071',
  'http://localhost:8071',
])('states may be asked for at %s', (url) => {
  expect(isTaken(url)).toBe(true)
})

test.each([
  ['in the clear over a network', 'http://open-sea.alipayplus.com'],
  ['under a path, which nobody would sign', 'https://gateway.example/alipay'],
  ['with a query', 'https://gateway.example?x=1'],
  ['with a password', 'https://user:secret@gateway.example'],
  ['by another protocol', 'ftp://gateway.example'],
  ['without a protocol', 'open-sea.alipayplus.com'],
])('states are not asked for %s', (_, url) => {
  expect(isTaken(url)).toBe(false)
})

test('a client without an address for inquiries is one that nobody asks for', () => {
  expect(clientsFile.parse({ clients: [client] }).clients[0]?.inquiryUrl).toBeUndefined()
})
