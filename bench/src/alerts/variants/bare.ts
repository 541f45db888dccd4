import { createPoster } from './post-webhook.ts'
import { bareSettings } from './settings.ts'
import { tellReady } from './tell-ready.ts'

// What signing and posting cost by themselves: no queue, nothing is kept.
const { alerts, merchants, body, concurrency, ...target } = bareSettings.parse(
  JSON.parse(process.argv[2] ?? '{}'),
)
const post = createPoster(target)
tellReady('delivering')

let sent = 0
await Promise.all(Array.from({ length: concurrency }, postInTurn))
// The bench still reads what this process has used, and ends it.
setInterval(() => {}, 60_000)

async function postInTurn(): Promise<void> {
  while (sent < alerts) {
    const n = sent++
    const endpoint = merchants[n % merchants.length] ?? ''
    await post({ id: `bare-${String(n).padStart(19, '0')}`, endpoint, body })
  }
}
