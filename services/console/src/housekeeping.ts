import { setTimeout as delay } from 'node:timers/promises'
import type { AttentionCursor, RegistrationStore } from '@signalbox/registration-store/registration-store'
import type { Logger } from '@signalbox/runtime/log'
import type { AppendCommands, Command } from './append-command.ts'

const dayMs = 24 * 3_600_000

/** What an erasure left is kept so long, so that mail signed before it is still known for old. */
const keptAfterErasureMs = 31 * dayMs
const perAppend = 200

/** Whoever reads the raw topic sees that no person gave the command. */
const issuedBy = 'housekeeping'

/**
 * Creates the daily round: what was erased 31 days ago or more is forgotten. Run twice, it says the same twice, which
 * changes nothing; the processor decides by the log's own times, so a wrong clock here forgets nothing early.
 */
export const createHousekeeping = ({
  store,
  partitions,
  appendCommands,
  now,
  log,
}: {
  store: Pick<RegistrationStore, 'listAttention'>
  partitions: number
  appendCommands: AppendCommands
  /** Epoch milliseconds. */
  now: () => number
  log: Pick<Logger, 'info'>
}) =>
  async function keepHouse(): Promise<number> {
    const untilMs = now() - keptAfterErasureMs
    let forgotten = 0
    for (let partition = 0; partition < partitions; partition++) {
      let after: AttentionCursor | null = null
      do {
        const page: Awaited<ReturnType<RegistrationStore['listAttention']>> = await store.listAttention({
          partition,
          kind: 'erased',
          untilMs,
          limit: perAppend,
          after,
        })
        if (page.entries.length > 0) await appendCommands(page.entries.map(forgettingOf))
        forgotten += page.entries.length
        after = page.next
      } while (after !== null)
    }
    log.info({ forgotten }, 'housekeeping.done')
    return forgotten
  }

type Erased = Awaited<ReturnType<RegistrationStore['listAttention']>>['entries'][number]

function forgettingOf({ registration }: Erased): Command {
  const { clientId, referenceMerchantId, referenceStoreId } = registration
  return {
    clientId,
    command: {
      command: 'registration.forgotten',
      referenceMerchantId,
      ...(referenceStoreId === null ? {} : { referenceStoreId }),
    },
    issuedBy,
  }
}

/** Does the round now and every day, until told to stop; what goes wrong is logged and tried again the next day. */
export async function keepHouseDaily(
  keepHouse: () => Promise<unknown>,
  { stop, log, everyMs = dayMs }: { stop: AbortSignal; log: Pick<Logger, 'warn'>; everyMs?: number },
): Promise<void> {
  while (!stop.aborted) {
    try {
      await keepHouse()
    } catch (err) {
      log.warn({ err }, 'housekeeping.failed')
    }
    await delay(everyMs, undefined, { signal: stop }).catch(() => undefined)
  }
}
