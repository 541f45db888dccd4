import { registrationKey } from '@signalbox/contracts/keys'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { openPipeline } from '../pipeline.ts'
import { untilQuiet } from '../quiet.ts'
import { readRunFacts } from '../run-facts.ts'
import { untilFolded } from '../until-folded.fixture.ts'

test('balance, explain, replay and rebuild do what they say on a system at work', async () => {
  await using pipeline = await openPipeline({ env: process.env })
  const signalbox = (...args: readonly string[]) => pipeline.signalbox(...args)
  const send = await pipeline.simulate('send', {
    url: pipeline.ingressUrl,
    notifications: 400,
    rate: 200,
    duplicates: 0.2,
    late: 0.2,
    seed: 5,
  })
  expect(await send.ended).toBe('exit code 0')
  const { facts } = await untilQuiet(pipeline, { deadlineMs: 60_000 })
  const versions = facts.changes.length

  const balanced = await signalbox('balance')
  expect(balanced).toMatchObject({ ended: 'exit code 0' })
  expect(balanced.output).toContain('Balanced: no difference.')

  const [change] = facts.changes.filter(({ version }) => version > 2)
  const { clientId = '', referenceMerchantId = '', referenceStoreId } = change?.registration ?? {}
  const store = referenceStoreId === null || referenceStoreId === undefined ? [] : [referenceStoreId]
  const explained = await signalbox('explain', referenceMerchantId, ...store, '--client', clientId)
  expect(explained.output).toContain(`applied: Version ${change?.version}.`)
  expect(explained.ended).toBe('exit code 0')
  const nobody = await signalbox('explain', 'NOBODY', '--client', clientId)
  expect(nobody.output).toContain('Nothing about NOBODY stands in partition')
  expect(nobody.ended).toBe('exit code 1')

  const planned = await signalbox('rebuild')
  expect(planned.output).toContain('Nothing is done without --yes.')
  expect(await signalbox('rebuild', '--yes')).toMatchObject({ ended: 'exit code 0' })
  expect(await signalbox('replay', '--from', 'start')).toMatchObject({ ended: 'exit code 0' })
  await untilFolded(pipeline)
  expect((await signalbox('balance')).output).toContain('Balanced: no difference.')
  // Neither made a version, nor an alert.
  const after = await readRunFacts(pipeline)
  expect(new Set(after.changes.map(versionOf)).size).toBe(new Set(facts.changes.map(versionOf)).size)
  expect(versions).toBeGreaterThan(100)
  expect(after.receipts.length).toBe(facts.receipts.length)

  // And a view that is wrong is found out.
  const client = new Redis(pipeline.redis.url)
  const [merchant = ''] = await client.keys(`${pipeline.redis.keyPrefix}*:m:*`)
  await client.del(merchant)
  client.disconnect()
  const wrong = await signalbox('balance')
  expect(wrong).toMatchObject({ ended: 'exit code 1' })
  expect(wrong.output).toMatch(/stands in registration\.state\.v1 and not in Redis/)
  expect(wrong.output).toContain('Not balanced.')
})

function versionOf({
  registration,
  version,
}: {
  registration: Parameters<typeof registrationKey>[0]
  version: number
}) {
  return `${registrationKey(registration)} ${version}`
}
