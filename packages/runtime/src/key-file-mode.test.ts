import { expect, test } from 'vitest'
import { keyFileProblem } from './key-file-mode.ts'

const root = 0
const someUser = 1000

test.each([
  ['the owner alone', 0o600, someUser, true],
  ['the owner alone, reading only', 0o400, someUser, true],
  ['a group may read what root owns, as Kubernetes mounts secrets for fsGroup', 0o440, root, true],
  ['root owns it and a group may read', 0o640, root, true],
  ['the group may read what a user owns', 0o640, someUser, false],
  ['the group may read what a user may only read', 0o440, someUser, false],
  ['the group may write', 0o660, root, false],
  ['others may read, as Docker mounts secrets', 0o444, root, false],
  ['others may read', 0o604, root, false],
  ['others may write', 0o602, someUser, false],
  ['everybody may read', 0o644, someUser, false],
])('%s: %o owned by %i is allowed: %s', (_, mode, uid, allowed) => {
  const isRegularFile = 0o100000
  const found = keyFileProblem('/keys/a.pem', { mode: isRegularFile | mode, uid }, { platform: 'linux' })
  expect(found === null).toBe(allowed)
  if (found === null) return
  expect(found.problem).toContain(`/keys/a.pem has mode 0${mode.toString(8)}`)
  expect(found.remedy).toContain('chmod 600 /keys/a.pem')
})

test('modes mean nothing on Windows', () => {
  expect(keyFileProblem('a.pem', { mode: 0o666, uid: 0 }, { platform: 'win32' })).toBeNull()
})
