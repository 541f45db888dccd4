import fastify from 'fastify'
import { tellListening } from './listening.ts'

// What the framework adds: routing, the raw body, a constant answer; no log.
const answer = Buffer.from('{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"Success"}}')

const app = fastify({ logger: false })
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
app.post('*', (_request, reply) => reply.type('application/json').send(answer))
await app.listen({ host: '127.0.0.1', port: 0 })
tellListening(app.server)
