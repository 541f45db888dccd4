import { keyFileProblem } from '@signalbox/runtime/key-file-mode'
import { isSameKey, keyName, type ListedClient, type ListedKey } from './key-list.ts'

/**
 * What a look at a clients file shows beyond what its reader refuses. A problem needs a hand now; a note tells what a
 * rotation still waits for, or what an operator may have meant otherwise.
 */
export type Finding = { kind: 'problem' | 'note'; where: string; what: string; remedy: string }

/** Paths of Alipay's own APIs: what we sign for such a path would count there, and the other way round. */
const alipayApi = /^\/(?:aps|ams)\/(?:sandbox\/)?api\//

/** Looks at every client by itself and at keys that several of them share. */
export function findings(clients: readonly ListedClient[]): Finding[] {
  const keys = clients.flatMap((client) => client.keys)
  return clients.flatMap((client) => [
    ...pathFindings(client),
    ...client.keys.flatMap((key) => [...readingFindings(key), ...swapFindings(key, keys)]),
    ...alipayRotation(client),
    ...ownRotation(client),
    ...sharingFindings(client, keys),
  ])
}

function pathFindings({ clientId, paths }: ListedClient): Finding[] {
  const where = `client ${clientId}`
  return paths.flatMap((path): Finding[] => [
    ...(alipayApi.test(path)
      ? [
          {
            kind: 'problem' as const,
            where,
            what: `the path ${path} is one of Alipay's own API`,
            remedy:
              'Requests and answers of all APIs are signed in one format, so a signed answer of that API could be replayed as a notification: take a path of your own, and register that URL.',
          },
        ]
      : []),
    ...(new URL(`http://x${path}`).pathname === path
      ? []
      : [
          {
            kind: 'problem' as const,
            where,
            what: `no sender sends the path ${path} like this`,
            remedy: `Senders fold dot segments and percent-encode: write ${new URL(`http://x${path}`).pathname}, or take a plain path.`,
          },
        ]),
  ])
}

function readingFindings(key: ListedKey): Finding[] {
  const where = whereOf(key)
  if (key.publicKey.kind === 'refused') {
    const remedy =
      key.side === 'own'
        ? 'Put the key there as PKCS#8, or take the entry out when it will never sign again.'
        : 'Put the public key there as base64 on one line, or take the entry out; a retired key is only needed to verify old records.'
    return [{ kind: 'problem', where, what: `it cannot be used: ${key.publicKey.problem}`, remedy }]
  }
  if (key.file === null) return []
  const { path } = key.file
  const loose = keyFileProblem(path, key.file, process)
  if (loose !== null) return [{ kind: 'problem', where, what: loose.problem, remedy: loose.remedy }]
  if (key.state === 'retired') {
    const remedy = `Delete ${path} and the entry: a retired key never signs again.`
    return [{ kind: 'note', where, what: 'it is retired, but its private key is still there', remedy }]
  }
  return []
}

function swapFindings(key: ListedKey, keys: readonly ListedKey[]): Finding[] {
  if (key.side !== 'alipay') return []
  const ours = keys.find((other) => other.side === 'own' && isSameKey(key, other))
  if (ours === undefined) return []
  const owner = ours.clientId === key.clientId ? '' : ` of client ${ours.clientId}`
  return [
    {
      kind: 'problem',
      where: whereOf(key),
      what: `this is our own public key (${keyName(ours)}${owner}), not Alipay's`,
      remedy:
        "No notification would verify. The developer center shows two keys: copy the one called Alipay's public key.",
    },
  ]
}

function alipayRotation({ clientId, keys, anyKeyVersion }: ListedClient): Finding[] {
  const where = `client ${clientId}`
  const alipay = newestFirst(keys.filter(({ side }) => side === 'alipay'))
  const active = alipay.filter(({ state }) => state === 'active')
  const verifying = alipay.filter(({ state }) => state !== 'retired')
  const [newest] = alipay
  const note = (what: string, remedy: string): Finding => ({ kind: 'note', where, what, remedy })
  if (verifying.length === 0) {
    return [
      note(
        'no key of Alipay verifies, so every notification is answered KEY_NOT_FOUND',
        "Alipay's key appears in the developer center after ours is uploaded; the sender goes on trying for 24 h 22 min.",
      ),
    ]
  }
  const twice = verifying.find((key) => verifying.some((other) => other !== key && isSameKey(key, other)))
  return [
    ...(active.length === 0
      ? [
          note(
            'every key of Alipay is on its way out',
            anyKeyVersion
              ? 'anyKeyVersion tries active keys only: set the newest to active.'
              : 'Set the newest to active, or add its successor.',
          ),
        ]
      : []),
    ...(active.length > 0 && newest !== undefined && newest.state !== 'active'
      ? [
          note(
            `${keyName(newest)} is the newest and ${newest.state}, while an older one is active`,
            'Set the newest to active and the older ones to retiring, unless Alipay has gone back to an older key.',
          ),
        ]
      : []),
    ...(active.length > 1
      ? [
          note(
            `${active.length} keys of Alipay are active (versions ${active.map(({ version }) => version).join(', ')}), as during a rotation`,
            'Once notifications name only the newest, set the others to retiring, and to retired 25 hours later.',
          ),
        ]
      : []),
    ...(twice === undefined
      ? []
      : [
          note(
            `${keyName(twice)} is the same key as another version`,
            'Copy the key again: as it stands, one of the versions has the key of the other.',
          ),
        ]),
  ]
}

function ownRotation({ clientId, keys }: ListedClient): Finding[] {
  const own = newestFirst(keys.filter(({ side }) => side === 'own'))
  const signing = own.find(({ state }) => state === 'active')
  const [newest] = own
  if (signing === undefined || newest === undefined || newest === signing) return []
  return [
    {
      kind: 'note',
      where: `client ${clientId}`,
      what: `${keyName(signing)} signs although ${keyName(newest)} is newer (${newest.state})`,
      remedy: 'Set the newer one to active once Alipay has its public key, or take it out.',
    },
  ]
}

function sharingFindings({ clientId, keys }: ListedClient, all: readonly ListedKey[]): Finding[] {
  return keys.flatMap((key): Finding[] => {
    const other = all.find(
      (one) => isElsewhere(one, clientId) && one.side === key.side && isSameKey(one, key),
    )
    // Told once for each pair, at the later of the two.
    if (other === undefined || all.indexOf(other) > all.indexOf(key)) return []
    const what = `it is the same key as ${keyName(other)} of client ${other.clientId}`
    const remedy =
      isSandbox(clientId) === isSandbox(other.clientId)
        ? 'Who may sign for one of them may sign for both: keys of their own are safer.'
        : "Sandbox and production have different keys: copy each from its own page, or make a pair of its own with 'signalbox keys generate'."
    return [
      {
        kind: isSandbox(clientId) === isSandbox(other.clientId) ? 'note' : 'problem',
        where: whereOf(key),
        what,
        remedy,
      },
    ]
  })
}

const isElsewhere = (key: ListedKey, clientId: string) => key.clientId !== clientId
const isSandbox = (clientId: string) => /^(?:SANDBOX_|TEST_|T_)/.test(clientId)

function whereOf(key: ListedKey): string {
  return `client ${key.clientId}, ${keyName(key)}`
}

function newestFirst(keys: readonly ListedKey[]): ListedKey[] {
  return keys.toSorted((a, b) => Number(b.version) - Number(a.version))
}
