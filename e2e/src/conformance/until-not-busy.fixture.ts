import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from './answers.fixture.ts'
import type { WireAnswer } from './wire/connection.fixture.ts'

const attempts = 20
const pauseMs = 20

/**
 * Sends until the ingress is not too busy to look at it, as a sender would: a machine with other things to do makes an
 * ingress say so, and the answer is not about the request then. After twenty attempts the last answer stands.
 */
export async function untilNotBusy(send: () => Promise<WireAnswer>, onBusy = () => {}): Promise<WireAnswer> {
  for (let attempt = 1; ; attempt++) {
    const answer = await send()
    if (codeOf(answer) !== 'REQUEST_TRAFFIC_EXCEED_LIMIT' || attempt === attempts) return answer
    onBusy()
    await delay(pauseMs * attempt)
  }
}
