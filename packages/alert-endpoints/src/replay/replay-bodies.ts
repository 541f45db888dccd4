import type { Redis } from 'ioredis'

type BodyOf = { subject: string; version: number; variant: string; partition: number }

/** As long as an alert lives, and as a replay is spread over. */
const lifeSeconds = 28 * 60 * 60

/** The bodies of replays in the queue Redis, apart from those of alerts that are owed. All rejects while Redis is away. */
export type ReplayBodies = ReturnType<typeof createReplayBodies>

export function createReplayBodies({ redis, keyPrefix }: { redis: Redis; keyPrefix: string }) {
  const keyOf = (replayId: string, { partition, version, variant, subject }: BodyOf) =>
    `${keyPrefix}{c${partition}}:replay:${replayId}:${version}:${variant}:${subject}`
  return {
    async keep(replayId: string, bodies: readonly (BodyOf & { body: string })[]): Promise<void> {
      await Promise.all(bodies.map(async (of) => redis.set(keyOf(replayId, of), of.body, 'EX', lifeSeconds)))
    },
    /** Null: it is too old. */
    of: async (alert: BodyOf, replayId: string): Promise<string | null> => redis.get(keyOf(replayId, alert)),
  }
}
