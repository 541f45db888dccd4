import { argv, kill, pid, stdout } from 'node:process'
import { DatabaseSync } from 'node:sqlite'
import { createSqliteSeenStore } from '../examples/sqlite-store.ts'
import { createAlertReceiver } from './receive-alert.ts'
import { changed, nowMs, secret, signed } from './signed-alert.fixture.ts'

// One delivery of one alert to a receiver whose store is a file: <file> <seconds since the first> <killed|works>
const [file = '', seconds = '', how = ''] = argv.slice(2)
const atMs = nowMs + Number(seconds) * 1000
const seen = createSqliteSeenStore(new DatabaseSync(file), () => atMs)
const receiver = createAlertReceiver({ secrets: [secret], seen, now: () => atMs })
const { status, outcome } = await receiver.handle(signed(changed(1), { atMs }), () => {
  if (how === 'killed') kill(pid, 'SIGKILL')
})
stdout.write(`${status} ${outcome.kind}`)
