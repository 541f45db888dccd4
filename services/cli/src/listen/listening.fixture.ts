import { spawn } from 'node:child_process'
import { createHmac, type KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { vi } from 'vitest'

export const secretOf = (byte: number) => `whsec_${Buffer.alloc(32, byte).toString('base64')}`
export const secret = secretOf(1)

/** `signalbox listen` as a process of its own, and what it has printed. */
export async function openListening(args: readonly string[], environment: Record<string, string> = {}) {
  const main = join(import.meta.dirname, '..', 'main.ts')
  const child = spawn(process.execPath, [main, 'listen', '--port', '0', ...args], { env: environment })
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (text: Buffer) => (said.stdout += text.toString()))
  child.stderr.on('data', (text: Buffer) => (said.stderr += text.toString()))
  const ended = once(child, 'exit')
  const stop = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await ended
    return child.exitCode
  }
  const url = await vi.waitFor(
    () => {
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said.stdout + said.stderr)?.[0]
      if (found === undefined) throw new Error(`it does not listen: ${said.stdout}${said.stderr}`)
      return found
    },
    { timeout: 20_000 },
  )
  return {
    url,
    said,
    stop,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) await stop('SIGKILL')
    },
  }
}

/** Posts it signed as Signalbox does, and gives status and text of the answer. */
export async function post(
  url: string,
  content: unknown,
  { id, key = secret, atMs = Date.now() }: { id: string; key?: string | KeyObject; atMs?: number },
): Promise<[number, string]> {
  const body = JSON.stringify(content)
  const timestamp = String(Math.floor(atMs / 1000))
  const text = Buffer.from(`${id}.${timestamp}.${body}`)
  const signature =
    typeof key === 'string'
      ? `v1,${createHmac('sha256', Buffer.from(key.slice(6), 'base64'))
          .update(text)
          .digest('base64')}`
      : `v1a,${sign(null, text, key).toString('base64')}`
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature }
  const response = await fetch(url, { method: 'POST', headers, body })
  return [response.status, await response.text()]
}

export function changed(version: number, pspNames: readonly string[] = ['TNG']) {
  return {
    type: 'registration.changed' as const,
    timestamp: '2026-01-02T03:04:05.678Z',
    data: {
      registration: { clientId: 'demo', referenceMerchantId: 'M1', referenceStoreId: 'S1' },
      version,
      collective: 'PENDING',
      events: pspNames.map((pspName) => ({
        type: 'entry.approved' as const,
        pspName,
        productCode: 'CASHIER_PAYMENT',
        status: 'APPROVED',
        previousStatus: 'PENDING',
        rejectionReason: null,
      })),
    },
  }
}
