import { performance } from 'node:perf_hooks'
import process, { stdout } from 'node:process'
import { parseArgs } from 'node:util'
import { allConditions, complaintsAbout, type Row, simulate } from './simulation.fixture.ts'

// Runs the simulation with a truthful sender and prints its table; the last line is one JSON object.

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '40000' },
    seed: { type: 'string', default: '1' },
  },
})
const histories = Number(values.histories)
const seed = Number(values.seed)

const columns: [string, (row: Row) => string][] = [
  ['Request-Time', ({ conditions }) => conditions.requestTime],
  ['lists', ({ conditions }) => conditions.lists],
  ['reversals', ({ conditions }) => (conditions.reversals ? 'yes' : '-')],
  ['again', ({ conditions }) => (conditions.registersAgain ? 'yes' : '-')],
  ['loss', ({ conditions }) => `${conditions.loss * 100} %`],
  ['histories', (row) => String(row.histories)],
  ['unknowable', (row) => String(row.unknowable)],
  ['silently wrong', (row) => String(row.silentlyWrong)],
  ['wrong', (row) => share(row, row.wrong)],
  ['of these info only', (row) => share(row, row.wrongWithoutWarning)],
  ['right, warned', (row) => share(row, row.warnedThoughRight)],
  ['last arrival wrong', (row) => share(row, row.lastArrivalWrong)],
  ['highest time wrong', (row) => share(row, row.highestTimeWrong)],
]

function share({ histories, unknowable }: Row, count: number): string {
  return count === 0 ? '0' : `${((100 * count) / (histories - unknowable)).toFixed(2)} %`
}

function print(cells: readonly string[]): void {
  stdout.write(`${cells.map((cell, index) => cell.padStart(columns[index]?.[0].length ?? 0)).join('  ')}\n`)
}

const startedMs = performance.now()
print(columns.map(([name]) => name))
const rows = allConditions.map((conditions) => {
  const row = simulate(conditions, { histories, seed })
  print(columns.map(([, cell]) => cell(row)))
  return row
})
const complaints = complaintsAbout(rows)
for (const complaint of complaints) stdout.write(`${complaint}\n`)
const sum = (count: (row: Row) => number) => rows.reduce((total, row) => total + count(row), 0)
const summary = {
  rows: rows.length,
  historiesPerRow: histories,
  seed,
  silentlyWrong: sum((row) => row.silentlyWrong),
  wrongWithoutReversals: sum((row) => (row.conditions.reversals ? 0 : row.wrong)),
  wrong: sum((row) => row.wrong),
  wrongWithoutWarning: sum((row) => row.wrongWithoutWarning),
  unknowable: sum((row) => row.unknowable),
  lastArrivalWrong: sum((row) => row.lastArrivalWrong),
  highestTimeWrong: sum((row) => row.highestTimeWrong),
  seconds: Math.round((performance.now() - startedMs) / 1000),
}
stdout.write(`${JSON.stringify(summary)}\n`)
if (complaints.length > 0) process.exitCode = 1
