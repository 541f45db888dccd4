import { parseEnvironment } from '@signalbox/runtime/config'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { networkEnv, networkPolicy } from './config.ts'

function policyOf(env: Record<string, string>) {
  const given = parseEnvironment('test', z.object(networkEnv), env)
  return networkPolicy(given, { isProduction: given.SIGNALBOX_ENVIRONMENT === 'production' })
}

test('unless told otherwise alerts go to public addresses by https alone', () => {
  const standard = { allowHttp: false, allowedNetworks: [], ports: [443, 8443] }
  expect(policyOf({})).toEqual(standard)
  expect(policyOf({ SIGNALBOX_ENVIRONMENT: 'production' })).toEqual(standard)
})

test('networks and ports can be allowed', () => {
  const policy = policyOf({
    ALERT_ALLOWED_NETWORKS: '10.1.0.0/16, fd00::/8',
    ALERT_ALLOWED_PORTS: '443, 9443',
  })
  expect(policy).toEqual({
    allowHttp: false,
    allowedNetworks: ['10.1.0.0/16', 'fd00::/8'],
    ports: [443, 9443],
  })
})

test('a deployment for tests allows everything', () => {
  expect(policyOf({ ALERT_ALLOW_INSECURE_ENDPOINTS: 'true', ALERT_ALLOWED_PORTS: '443' })).toEqual({
    allowHttp: true,
    allowedNetworks: ['0.0.0.0/0', '::/0'],
    ports: null,
  })
})

describe('production refuses to start', () => {
  test.each([
    ['with the flag for tests', { ALERT_ALLOW_INSECURE_ENDPOINTS: 'true' }],
    ['with a private network', { ALERT_ALLOWED_NETWORKS: '10.0.0.0/8' }],
    ['with every network', { ALERT_ALLOWED_NETWORKS: '0.0.0.0/0,::/0' }],
  ])('%s', (_, env) => {
    const [variable] = Object.keys(env)
    const start = () => policyOf({ ...env, SIGNALBOX_ENVIRONMENT: 'production' })
    expect(start).toThrow(expect.objectContaining({ name: 'StartProblem' }))
    expect(start).toThrow(
      new RegExp(`SIGNALBOX_ENVIRONMENT is production and ${variable}.*Take that setting out`),
    )
    for (const elsewhere of ['staging', 'test']) {
      expect(policyOf({ ...env, SIGNALBOX_ENVIRONMENT: elsewhere }).allowedNetworks).not.toEqual([])
    }
  })
})

test.each([
  ['ALERT_ALLOWED_NETWORKS', '10.0.0.1'],
  ['ALERT_ALLOWED_NETWORKS', '10.0.0.0/33'],
  ['ALERT_ALLOWED_NETWORKS', 'intranet/8'],
  ['ALERT_ALLOWED_PORTS', '443;8443'],
  ['ALERT_ALLOWED_PORTS', '0'],
  ['ALERT_ALLOWED_PORTS', '65536'],
  ['ALERT_ALLOWED_PORTS', ','],
  ['SIGNALBOX_ENVIRONMENT', 'live'],
])('%s=%s is refused', (variable, value) => {
  expect(() => policyOf({ [variable]: value })).toThrow(`${variable} is set to something that does not fit`)
})
