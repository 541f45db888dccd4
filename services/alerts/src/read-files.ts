import { readDeclaredEndpoints } from '@signalbox/alert-endpoints/declare-endpoints'
import { readSealingKeys } from '@signalbox/alert-endpoints/sealing'
import { createAddressGuard } from '@signalbox/webhook-sender/address-guard'
import { readSigningKeys } from '@signalbox/webhook-sender/signing-keys'
import type { AlertsConfig } from './config.ts'

/**
 * Reads the files that the configuration names: keys, and the endpoints that this deployment declares.
 *
 * @throws StartProblem naming the file, what is wrong with it and the remedy
 */
export function readFiles({ network, endpointKeysFile, signingKeysFile, endpointsFile }: AlertsConfig) {
  const guard = createAddressGuard(network)
  return {
    guard,
    keys: readSealingKeys(endpointKeysFile),
    signingKey: readSigningKeys(signingKeysFile).signing,
    declared: endpointsFile === undefined ? [] : readDeclaredEndpoints(endpointsFile, guard),
  }
}
