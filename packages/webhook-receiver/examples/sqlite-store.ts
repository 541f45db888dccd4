import type { DatabaseSync } from 'node:sqlite'
import type { SeenStore } from '@signalbox/webhook-receiver/seen-store'

/** What was worked on, in the database that the work writes to; a Postgres looks the same. */
export function createSqliteSeenStore(db: DatabaseSync, now: () => number = Date.now): SeenStore {
  db.exec(`
    create table if not exists alert_ids (id text primary key, at_ms int);
    create table if not exists alert_versions (subject text, mark text, version int, primary key (subject, mark));
    create table if not exists alert_claims (subject text primary key, holder text, until_ms int)`)
  const isSeen = db.prepare('select 1 from alert_ids where id = ?')
  const known = db.prepare('select mark, version from alert_versions where subject = ?')
  // One statement takes the claim, so of two processes that try at once one gets it.
  const take = db.prepare(`
    insert into alert_claims values (:subject, :holder, :untilMs) on conflict (subject)
    do update set holder = :holder, until_ms = :untilMs where until_ms <= :nowMs`)
  const end = db.prepare('delete from alert_claims where subject = ? and holder = ?')
  const keepId = db.prepare('insert into alert_ids values (?, ?) on conflict do nothing')
  const raise = db.prepare(`
    insert into alert_versions values (?, ?, ?) on conflict (subject, mark)
    do update set version = max(version, excluded.version)`)
  return {
    async claim({ subject, id, holder, leaseMs }) {
      const nowMs = now()
      const isTaken = take.run({ subject, holder, nowMs, untilMs: nowMs + leaseMs }).changes === 1
      if (!isTaken) return { kind: isSeen.get(id) ? 'repeat' : 'busy' }
      // Asked under the claim: a delivery that ended just now has written its id.
      if (isSeen.get(id)) {
        end.run(subject, holder)
        return { kind: 'repeat' }
      }
      return {
        kind: 'claimed',
        known: new Map(known.all(subject).map((row) => [String(row['mark']), Number(row['version'])])),
      }
    },
    async confirm({ subject, id, holder, versions }) {
      db.exec('begin immediate')
      keepId.run(id, now())
      for (const [mark, version] of versions) raise.run(subject, mark, version)
      end.run(subject, holder)
      db.exec('commit')
    },
    release: async ({ subject, holder }) => void end.run(subject, holder),
  }
}
