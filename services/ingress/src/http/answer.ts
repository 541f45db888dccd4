import { formatResponseTime } from '@signalbox/alipay/request-time'
import { type ResultCode, resultBody } from '@signalbox/alipay/result'
import { createSignature, formatSignatureHeader } from '@signalbox/alipay/signature'
import type { Addressee } from '../notification/check-head.ts'
import { createSignatureCache } from './signature-cache.ts'

/** An HTTP answer but for its status, which is always 200: official clients take others for a lost connection. */
export type Answer = { headers: Readonly<Record<string, string>>; body: Buffer }

const maxCachedSignatures = 1_000

/**
 * Makes answers, signed for a known client on a path of its own. Nothing in them comes from the request but what
 * the clients file names too and the uri under the signature, so nobody can have us sign a text of his choice.
 */
export function createAnswers({ now }: { now: () => number }) {
  const signatureOf = createSignatureCache({ maxEntries: maxCachedSignatures })

  return async function answer(code: ResultCode, addressee: Addressee | null): Promise<Answer> {
    const body = resultBody(code)
    const responseTime = formatResponseTime(now())
    const headers = { 'content-type': 'application/json; charset=UTF-8', 'response-time': responseTime }
    if (addressee === null) return { headers, body }
    const { uri, client } = addressee
    const { clientId, signingKey } = client
    const signature = await signatureOf({ clientId, uri, responseTime, code }, async () =>
      formatSignatureHeader({
        keyVersion: signingKey.version,
        signature: await createSignature({ uri, clientId, time: responseTime, body }, signingKey.key),
      }),
    )
    return { headers: { ...headers, 'client-id': clientId, signature }, body }
  }
}
