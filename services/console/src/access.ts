import type { FastifyReply, FastifyRequest } from 'fastify'
import { refuse } from './answers.ts'
import type { Bearer, FindBearer } from './bearers.ts'

/** Each role may do what those before it may. */
const roles: readonly Bearer['role'][] = ['viewer', 'operator', 'admin']

/** Whoever asks, if they may; else the request has been answered and this is null. */
export function admit(
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  { findBearer, role }: { findBearer: FindBearer; role: Bearer['role'] },
): Bearer | null {
  const bearer = findBearer(request.headers.authorization)
  if (bearer === null) {
    reply.header('www-authenticate', 'Bearer realm="signalbox"')
    refuse(reply, 'unauthorized', 'Give a known token: Authorization: Bearer <token>.')
    return null
  }
  if (roles.indexOf(bearer.role) < roles.indexOf(role)) {
    refuse(reply, 'forbidden', `This takes a token with the role ${role}; yours has ${bearer.role}.`)
    return null
  }
  return bearer
}
