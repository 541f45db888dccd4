import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { RegistrationTruth } from '@signalbox/contracts/simulator-files'
import { z } from 'zod'

const program = fileURLToPath(new URL('../../../simulator/src/main.ts', import.meta.url))

/** The simulator's clients: the first speaks Alipay+, the second AMS. */
export const clientIds = { alipayplus: 'SANDBOX_5X00000000000000', ams: 'SANDBOX_5Y00000000000000' } as const

export type Simulator = AsyncDisposable & {
  folder: string
  clientsFile: string
  url: string
  /** Makes the next answers go wrong, one each. */
  order(...faults: string[]): Promise<void>
}

/** Starts the simulator, which answers inquiries with these truths, and registers it in a clients file. */
export async function startSimulator(truths: readonly RegistrationTruth[]): Promise<Simulator> {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-inquiry-'))
  await once(run('init', '--folder', folder), 'exit')
  writeFileSync(join(folder, 'truth.json'), JSON.stringify({ registrations: truths }))
  const child = run('inquiries', '--folder', folder, '--port', '0', '--register')
  const url = `http://127.0.0.1:${await portOf(child)}`
  return {
    folder,
    clientsFile: join(folder, 'clients.json'),
    url,
    async order(...faults) {
      const answer = await fetch(`${url}/faults`, { method: 'POST', body: JSON.stringify({ faults }) })
      if (answer.status !== 204) throw new Error(await answer.text())
    },
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function run(...args: string[]) {
  return spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
}

async function portOf(child: ChildProcess & { stdout: NodeJS.ReadableStream }): Promise<number> {
  const event = z.object({ msg: z.literal('inquiries.listening'), port: z.number() })
  for await (const line of createInterface({ input: child.stdout })) {
    child.stdout.resume()
    return event.parse(JSON.parse(line)).port
  }
  throw new Error('the simulator ended without listening')
}

/** A registration that stands as told. */
export function truth(of: {
  clientId: string
  merchant: string
  store?: string
  status?: RegistrationTruth['entries'][number]['status']
  productCodes?: readonly string[]
}): RegistrationTruth {
  const { clientId, merchant, store = null, status = 'APPROVED', productCodes = ['CASHIER_PAYMENT'] } = of
  return {
    registration: { clientId, referenceMerchantId: merchant, referenceStoreId: store },
    collectiveStatus: status === 'PENDING' ? 'PENDING' : 'COMPLETED',
    entries: productCodes.map((productCode) => ({
      pspName: 'GCASH',
      productCode,
      status,
      rejectionReason: status === 'REJECTED' ? 'The licence has expired. 店' : null,
    })),
  }
}
