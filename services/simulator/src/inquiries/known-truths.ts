import { existsSync, statSync } from 'node:fs'
import { registrationKey } from '@signalbox/contracts/keys'
import { type RegistrationTruth, truthFile } from '@signalbox/contracts/simulator-files'
import { readJsonFile } from '@signalbox/runtime/files'

/** Finds the truth about a registration in a truth file, which is read again when it has changed. */
export function createFindTruth(path: string) {
  let version = ''
  let truths = new Map<string, RegistrationTruth>()
  return (of: RegistrationTruth['registration']): RegistrationTruth | undefined => {
    if (!existsSync(path)) return undefined
    // It is replaced as a whole, never written in place.
    const { ino, mtimeMs, size } = statSync(path)
    const found = `${ino}/${mtimeMs}/${size}`
    if (found !== version) {
      const { registrations } = readJsonFile(path, '--folder', truthFile)
      truths = new Map(registrations.map((truth) => [registrationKey(truth.registration), truth]))
      version = found
    }
    return truths.get(registrationKey(of))
  }
}
