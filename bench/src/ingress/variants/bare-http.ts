import { createServer } from 'node:http'
import { tellListening } from './listening.ts'

// The least that any HTTP server in Node costs: the body is read, the answer is a constant.
const answer = Buffer.from('{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"Success"}}')

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    Buffer.concat(chunks)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length })
    response.end(answer)
  })
})
server.listen(0, '127.0.0.1', () => tellListening(server))
