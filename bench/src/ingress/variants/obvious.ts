import { createPublicKey, randomUUID, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { formatResponseTime, parseRequestTime } from '@signalbox/alipay/request-time'
import { type ResultCode, resultBody } from '@signalbox/alipay/result'
import {
  formatSignatureHeader,
  parseSignatureHeader,
  signedText,
  verifySignature,
} from '@signalbox/alipay/signature'
import { encodeRawHeaders } from '@signalbox/contracts/raw-record'
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import kafkajs from 'kafkajs'
import { z } from 'zod'
import { tellListening } from './listening.ts'
import { obviousSettings } from './obvious-settings.ts'

// What a competent developer writes first: everything is right, and everything is done once per request. It keeps the
// same record as the ingress, with one line of Fastify's own logger, and hands the private key to `sign` as the PEM text it
// was read as, which parses it for every answer.
const settings = obviousSettings.parse(JSON.parse(process.argv[2] ?? '{}'))
const publicKey = createPublicKey(settings.alipayPublicKey)
const privateKey = readFileSync(settings.ownPrivateKeyFile, 'utf8')

const kafka = new kafkajs.Kafka({ clientId: 'obvious', brokers: settings.brokers })
const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
await producer.connect()

const routing = z.object({ referenceMerchantId: z.string() })

const app = fastify({ logger: true, disableRequestLogging: true })
app.removeAllContentTypeParsers()
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
  done(null, body),
)
app.post(settings.uri, async (request, reply) => {
  const begun = performance.now()
  const code = await keep(request)
  request.log.info({ resultCode: code, durationMs: performance.now() - begun }, 'notification.answered')
  return answer(reply, code)
})
await app.listen({ host: '127.0.0.1', port: 0 })
tellListening(app.server)

async function keep({ headers, body }: FastifyRequest): Promise<ResultCode> {
  const clientId = headers['client-id']
  const requestTime = headers['request-time']
  const signatureHeader = headers['signature']
  if (clientId !== settings.clientId) return 'INVALID_CLIENT'
  if (typeof requestTime !== 'string' || typeof signatureHeader !== 'string') return 'PARAM_ILLEGAL'
  if (!Buffer.isBuffer(body)) return 'PARAM_ILLEGAL'
  const requestTimeMs = parseRequestTime(requestTime)
  const signature = parseSignatureHeader(signatureHeader)
  if (requestTimeMs === null || signature === null) return 'PARAM_ILLEGAL'
  if (signature.keyVersion !== settings.keyVersion) return 'KEY_NOT_FOUND'
  const parts = { uri: settings.uri, clientId, time: requestTime, body }
  if (!verifySignature(parts, signature.signature, publicKey)) return 'INVALID_SIGNATURE'
  const { referenceMerchantId } = routing.parse(JSON.parse(body.toString()))
  await producer.send({
    topic: settings.topic,
    acks: -1,
    messages: [
      {
        key: `${clientId}/${referenceMerchantId}`,
        value: body,
        headers: encodeRawHeaders({
          kind: 'notification',
          notificationId: randomUUID(),
          requestUri: settings.uri,
          clientId,
          requestTime,
          requestTimeMs,
          signature: signatureHeader,
          keyVersion: settings.keyVersion,
          dialect: 'alipayplus',
          push: false,
          traceparent: null,
        }),
      },
    ],
  })
  return 'SUCCESS'
}

function answer(reply: FastifyReply, code: ResultCode): FastifyReply {
  const body = resultBody(code)
  const time = formatResponseTime(Date.now())
  const text = signedText({ uri: settings.uri, clientId: settings.clientId, time, body })
  const signature = sign('sha256', text, privateKey)
  return reply
    .headers({
      'content-type': 'application/json; charset=UTF-8',
      'client-id': settings.clientId,
      'response-time': time,
      signature: formatSignatureHeader({ keyVersion: settings.keyVersion, signature }),
    })
    .send(body)
}
