import { expect, test } from 'vitest'
import { isPlainEncoding, isReadableMediaType } from './media-type.ts'

test.each([
  [undefined],
  [''],
  ['application/json'],
  ['Application/JSON'],
  ['application/json; charset=UTF-8'],
  ['application/json;charset="utf-8"'],
  ['application/json ; charset=us-ascii'],
  ['application/json; version=2; CHARSET=utf8'],
  ['application/json; title="a;charset=latin1"'],
  ['application/json;'],
])('a body of type %s is readable', (contentType) => {
  expect(isReadableMediaType(contentType)).toBe(true)
})

test.each([
  'text/plain',
  'application/jsonp',
  'application/json, text/plain',
  'application/x-www-form-urlencoded',
  'application/problem+json',
  'application/json; charset=gbk',
  'application/json; charset=utf-16',
  'application/json; charset="iso-8859-1"',
  'json',
  ';charset=utf-8',
])('a body of type %s is not', (contentType) => {
  expect(isReadableMediaType(contentType)).toBe(false)
})

test.each([
  [undefined, true],
  ['', true],
  ['identity', true],
  ['Identity', true],
  ['gzip', false],
  ['identity, gzip', false],
  ['br', false],
])('Content-Encoding %s is plain: %s', (contentEncoding, plain) => {
  expect(isPlainEncoding(contentEncoding)).toBe(plain)
})
