import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { inquiryPath } from '@signalbox/alipay/inquiry'
import { formatResponseTime, parseRequestTime } from '@signalbox/alipay/request-time'
import {
  createSignature,
  formatSignatureHeader,
  parseSignatureHeader,
  verifySignature,
} from '@signalbox/alipay/signature'
import { inquiryRequest } from '@signalbox/contracts/inquiry-body'
import type { RegistrationTruth } from '@signalbox/contracts/simulator-files'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { SenderClient } from '../sandbox.ts'
import { answerBody, failures } from './answer-body.ts'

/** What the next answer does wrong on purpose. */
export const inquiryFaults = [
  /** Not signed at all. */
  'unsigned',
  /** Signed with a key that belongs to nobody. */
  'wrong_key',
  /** The body differs from the one that was signed. */
  'altered',
  /** As another client would be answered, with its id and its key. */
  'other_client',
  /** A genuine answer of an hour ago. */
  'old',
  /** Signed, and U. */
  'unknown',
  /** Signed, and F. */
  'refused',
  /** Nothing comes. */
  'silent',
  /** The body comes a byte at a time. */
  'drip',
  /** A genuine body of 5 MiB. */
  'huge',
  /** The connection ends instead. */
  'hang_up',
  /** HTTP 503, as of a gateway. */
  'gateway',
] as const

export type InquiryFault = (typeof inquiryFaults)[number]

const faultsOrder = z.strictObject({ faults: z.array(z.enum(inquiryFaults)).max(1_000) })

const hourMs = 3_600_000
const dripMs = 100
const hugeBytes = 5 * 1024 * 1024

type Signed = { body: Buffer; clientId: string; timeMs: number; key: KeyObject; keyVersion: string }

/**
 * Alipay's side of `inquiryRegistrationStatus` for the clients of a sandbox: checks the signature and answers, signed,
 * with the truth about the merchant and store that are named. A request id is not looked at: the truth is that of a
 * registration, whatever its rounds. `POST /faults` with `{"faults":["unsigned"]}` makes the next inquiries go wrong,
 * one each.
 */
export function createInquiryServer(options: {
  clients: readonly SenderClient[]
  findTruth: (of: RegistrationTruth['registration']) => RegistrationTruth | undefined
  now: () => number
}): FastifyInstance {
  const clients = new Map(options.clients.map((client) => [client.clientId, client]))
  const strange = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  let faults: InquiryFault[] = []
  const app = Fastify({ bodyLimit: 64 * 1024, forceCloseConnections: true })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body))

  app.post('/faults', async (request, reply) => {
    const ordered = faultsOrder.safeParse(jsonOf(bodyOf(request)))
    if (!ordered.success) return reply.code(400).send({ problem: z.prettifyError(ordered.error) })
    faults = ordered.data.faults
    return reply.code(204).send()
  })

  for (const path of new Set(options.clients.map((client) => inquiryPath(client)))) {
    app.post(path, async (request, reply) => {
      const client = clients.get(headerOf(request, 'client-id'))
      if (client === undefined || inquiryPath(client) !== path) return reply.send(failures.INVALID_CLIENT)
      if (!isGenuine(client, path, request)) return reply.send(failures.INVALID_SIGNATURE)
      const answer: Signed = {
        body: bodyFor(client, request),
        clientId: client.clientId,
        timeMs: options.now(),
        key: client.privateKey,
        keyVersion: client.keyVersion,
      }
      const fault = faults.shift()
      if (fault === undefined) return send(reply, path, answer)
      return sendWrong(reply, path, answer, fault)
    })
  }
  return app

  function bodyFor(client: SenderClient, request: FastifyRequest): Buffer {
    const asked = inquiryRequest.safeParse(jsonOf(bodyOf(request)))
    if (!asked.success || parseRequestTime(headerOf(request, 'request-time')) === null)
      return failures.PARAM_ILLEGAL
    const { referenceMerchantId, referenceStoreId = null } = asked.data
    if (typeof referenceMerchantId !== 'string') return failures.RECORD_NOT_FOUND
    const { clientId, dialect } = client
    const truth = options.findTruth({ clientId, referenceMerchantId, referenceStoreId })
    return truth === undefined ? failures.RECORD_NOT_FOUND : answerBody(truth, dialect)
  }

  async function sendWrong(
    reply: FastifyReply,
    path: string,
    answer: Signed,
    fault: InquiryFault,
  ): Promise<FastifyReply> {
    switch (fault) {
      case 'unsigned': {
        const { signature: _, ...headers } = await signedHeaders(path, answer)
        return reply.headers(headers).send(answer.body)
      }
      case 'wrong_key':
        return send(reply, path, { ...answer, key: strange })
      case 'altered':
        return reply
          .headers(await signedHeaders(path, answer))
          .send(Buffer.concat([answer.body, Buffer.from(' ')]))
      case 'other_client': {
        const other = options.clients.find(({ clientId }) => clientId !== answer.clientId)
        assert(other !== undefined, 'a sandbox has two clients for this fault')
        const { clientId, privateKey: key, keyVersion } = other
        return send(reply, path, { ...answer, clientId, key, keyVersion })
      }
      case 'old':
        return send(reply, path, { ...answer, timeMs: answer.timeMs - hourMs })
      case 'unknown':
        return send(reply, path, { ...answer, body: failures.UNKNOWN_EXCEPTION })
      case 'refused':
        return send(reply, path, { ...answer, body: failures.RECORD_NOT_FOUND })
      case 'silent':
        return reply.hijack()
      case 'drip':
        return drip(reply, await signedHeaders(path, answer), answer.body)
      case 'huge':
        return send(reply, path, {
          ...answer,
          body: Buffer.concat([answer.body, Buffer.alloc(hugeBytes, ' ')]),
        })
      case 'hang_up':
        reply.hijack()
        reply.raw.destroy()
        return reply
      case 'gateway':
        break
    }
    return reply.code(503).send('upstream is away')
  }
}

function isGenuine(client: SenderClient, uri: string, request: FastifyRequest): boolean {
  const signature = parseSignatureHeader(headerOf(request, 'signature'))
  const key = client.acquirerKeys.get(signature?.keyVersion ?? '')
  if (signature === null || key === undefined) return false
  const time = headerOf(request, 'request-time')
  return verifySignature(
    { uri, clientId: client.clientId, time, body: bodyOf(request) },
    signature.signature,
    key,
  )
}

async function send(reply: FastifyReply, path: string, answer: Signed): Promise<FastifyReply> {
  return reply.headers(await signedHeaders(path, answer)).send(answer.body)
}

async function signedHeaders(uri: string, { body, clientId, timeMs, key, keyVersion }: Signed) {
  const time = formatResponseTime(timeMs)
  const signature = await createSignature({ uri, clientId, time, body }, key)
  return {
    'content-type': 'application/json; charset=UTF-8',
    'client-id': clientId,
    'response-time': time,
    signature: formatSignatureHeader({ keyVersion, signature }),
  }
}

function drip(reply: FastifyReply, headers: Record<string, string>, body: Buffer): FastifyReply {
  reply.hijack()
  reply.raw.writeHead(200, { ...headers, 'content-length': body.length })
  let sent = 0
  const timer = setInterval(() => {
    reply.raw.write(body.subarray(sent, sent + 1))
    sent += 1
    if (sent === body.length) reply.raw.end()
  }, dripMs)
  reply.raw.once('close', () => clearInterval(timer))
  return reply
}

function headerOf(request: FastifyRequest, name: string): string {
  return [request.headers[name] ?? ''].flat().join(', ')
}

function bodyOf(request: FastifyRequest): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return null // no JSON fits no schema
  }
}
