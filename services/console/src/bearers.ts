import { createHash, timingSafeEqual } from 'node:crypto'
import type { ApiTokensFile } from '@signalbox/contracts/api-tokens-file'

/** Whoever holds a token: what they may do, and whose registrations they may see. */
export type Bearer = {
  /** For the log, and for what they append to the raw topic. */
  name: string
  role: ApiTokensFile['tokens'][number]['role']
  /** null: what names no client, which only those see who may see all. */
  maySee: (clientId: string | null) => boolean
}

/** Finds the bearer of an `Authorization` header; null for none, another scheme or an unknown token. */
export type FindBearer = (authorization: string | undefined) => Bearer | null

const bearerCredentials = /^Bearer +([A-Za-z0-9._~+/=-]{1,512})$/i

/** Compares every known token in constant time, so that answers tell nothing about how near a guess was. */
export function createFindBearer({ tokens }: ApiTokensFile): FindBearer {
  const known = tokens.map(({ sha256, name = `token ${sha256.slice(0, 8)}`, role, clients }) => ({
    sha256: Buffer.from(sha256, 'hex'),
    bearer: {
      name,
      role,
      maySee: (clientId: string | null) =>
        clients === '*' || (clientId !== null && clients.includes(clientId)),
    },
  }))
  return (authorization) => {
    const token = bearerCredentials.exec(authorization ?? '')?.[1]
    if (token === undefined) return null
    const sha256 = createHash('sha256').update(token).digest()
    // All are compared before one is taken: filter does not stop at a match.
    const [match] = known.filter((candidate) => timingSafeEqual(candidate.sha256, sha256))
    return match?.bearer ?? null
  }
}
