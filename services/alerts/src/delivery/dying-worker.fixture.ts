import { queueName, queuePrefix } from '@signalbox/alert-endpoints/job-queue'
import { Worker } from 'bullmq'
import { expect, onTestFinished } from 'vitest'
import type { openScene } from '../alerts-scene.fixture.ts'
import { redisUrl } from '../infra.fixture.ts'

/** Takes a job and dies with it: it neither ends nor renews its lock. */
export async function openDyingWorker(
  { keyPrefix, queue }: Awaited<ReturnType<typeof openScene>>,
  jobId: string,
): Promise<void> {
  const taken = Promise.withResolvers<void>()
  const worker = new Worker(
    queueName,
    async () => {
      taken.resolve()
      await new Promise(() => {})
    },
    {
      connection: { url: redisUrl, maxRetriesPerRequest: null },
      prefix: queuePrefix(keyPrefix),
      lockDuration: 500,
      lockRenewTime: 3_600_000,
      skipStalledCheck: true,
    },
  )
  worker.on('error', () => {})
  onTestFinished(() => worker.close(true))
  await taken.promise
  await worker.close(true)
  expect(await queue.stateOf(jobId)).toBe('live')
}
