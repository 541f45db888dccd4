// oxlint-disable-next-line typescript/triple-slash-reference -- packages that import this one need the types too
/// <reference path="./kafkajs-internals.d.ts" />
import fetch from 'kafkajs/src/protocol/requests/fetch/index.js'
import { decodeFetchResponse } from './fetch-response.ts'

const versionRead = 11

/**
 * Has kafkajs read the answers to Fetch requests of version 11, the one it agrees on with every broker since 2.3, with
 * {@link decodeFetchResponse}. Older brokers keep kafkajs' decoder. To be called before the first client is made.
 */
export function useOwnFetchDecoding(): void {
  const choose = fetch.protocol
  fetch.protocol = ({ version }) => {
    const create = choose({ version })
    if (version !== versionRead) return create
    return (options) => {
      const exchange = create(options)
      return { ...exchange, response: { ...exchange.response, decode: decodeFetchResponse } }
    }
  }
}
