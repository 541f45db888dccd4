import { expect, test } from 'vitest'
import { decodeMetadata } from './kafka-metadata.ts'

test('a metadata answer is read up to the cluster id', () => {
  const answer = Buffer.concat([
    int32(999), // size
    int32(0), // correlation id
    int32(2),
    broker({ id: 3, rack: int16(-1) }),
    broker({ id: 1, rack: text('rack') }),
    text('S-cluster'),
    int32(1), // controller
    int32(0), // topics
  ])
  expect(decodeMetadata(answer)).toEqual({ clusterId: 'S-cluster', brokerIds: [1, 3] })
})

test('an answer that is cut short is refused', () => {
  expect(() => decodeMetadata(Buffer.concat([int32(8), int32(0), int32(1)]))).toThrow('out of range')
})

function broker({ id, rack }: { id: number; rack: Buffer }): Buffer {
  return Buffer.concat([int32(id), text('127.0.0.1'), int32(20_000 + id), rack])
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function text(value: string): Buffer {
  return Buffer.concat([int16(value.length), Buffer.from(value)])
}
