import { registrationKey } from '@signalbox/contracts/keys'
import { naiveOracle } from '@signalbox/naive-oracle/naive-oracle'
import { z } from 'zod'
import { contentOf } from './final-states.ts'
import type { RunFacts } from './run-facts.ts'

/** What a registration went through: the content of each version, oldest first. */
export type Versions = Map<string, string[]>

/** The versions that were published, each once, by registration key. */
export function publishedVersions(facts: RunFacts): Versions {
  const contents = new Map<string, Map<number, string>>()
  for (const change of facts.changes) {
    const key = registrationKey(change.registration)
    const versions = contents.get(key) ?? new Map<number, string>()
    contents.set(key, versions.set(change.version, contentOf(change)))
  }
  return new Map(
    [...contents].map(([key, versions]) => [
      key,
      [...versions].toSorted(([a], [b]) => a - b).map(([, content]) => content),
    ]),
  )
}

/** The versions that the naive oracle finds in the raw log. */
export function expectedVersions(facts: RunFacts): Versions {
  const { changes } = naiveOracle(
    facts.raw
      .toSorted((a, b) => Number(a.record.offset - b.record.offset))
      .map(({ headers, body, record }) => ({
        body: body.toString('utf8'),
        clientId: headers.clientId,
        dialect: headers.dialect,
        push: headers.push,
        requestTimeMs: headers.requestTimeMs,
        appendTimeMs: record.timestampMs,
      })),
  )
  const versions: Versions = new Map()
  for (const change of changes) {
    const [clientId, referenceMerchantId, referenceStoreId] = oracleKey(change.key)
    const key = registrationKey({ clientId, referenceMerchantId, referenceStoreId })
    versions.set(key, [...(versions.get(key) ?? []), contentOf(change)])
  }
  return versions
}

/** The last content of every registration. */
export function finalContents(versions: Versions): Map<string, { version: number; content: string }> {
  return new Map(
    [...versions].map(([key, contents]) => [
      key,
      { version: contents.length, content: contents.at(-1) ?? '' },
    ]),
  )
}

function oracleKey(text: string): [string, string, string | null] {
  return z.tuple([z.string(), z.string(), z.string().nullable()]).parse(JSON.parse(text))
}
