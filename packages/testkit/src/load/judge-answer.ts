import { createPublicKey } from 'node:crypto'
import { verifyAnswer } from '../signed-notification.ts'
import type { Outcome } from './load-plan.ts'

/** One whole answer. */
export type JudgedAnswer = { outcome: Outcome; closes: boolean }

const rememberedAnswers = 16
const rememberedTexts = 2_000

const envelope =
  /^\{"result":\{"resultCode":"[A-Z_]+","resultStatus":"([SFU])","resultMessage":"[^"\\]*"\}\}$/

/**
 * Judges answers: gives null while one is incomplete. Every answer is judged in full, its signature too; but those of
 * one second are mostly the same bytes, and comparing costs less than reading and verifying them again.
 */
export function createAnswerJudge(plan: {
  plainAnswers: boolean
  answerKey: string | null
  uri: string
}): (received: Buffer) => JudgedAnswer | null {
  const publicKey = plan.answerKey === null ? null : createPublicKey(plan.answerKey)
  const known = new Map<string, JudgedAnswer>()
  let recent: { bytes: Buffer; judged: JudgedAnswer }[] = []

  function outcomeOf(head: string, body: string): Outcome {
    if (!head.startsWith('HTTP/1.1 200 ')) return 'malformed'
    if (plan.plainAnswers) return 'S'
    const letter = envelope.exec(body)?.[1]
    if (letter !== 'S' && letter !== 'F' && letter !== 'U') return 'malformed'
    if (publicKey === null) return letter
    const headers = headersOf(head)
    // Refusals for overload may go out unsigned.
    if (headers['signature'] === undefined && letter === 'U') return letter
    const answer = { headers, body: Buffer.from(body, 'latin1') }
    return verifyAnswer(answer, { publicKey, uri: plan.uri }) ? letter : 'badly signed'
  }

  function judgeText(text: string): JudgedAnswer | null {
    const headEnd = text.indexOf('\r\n\r\n')
    if (headEnd < 0) return null
    const head = text.slice(0, headEnd + 2)
    const size = headEnd + 4 + Number(/\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1] ?? 0)
    if (text.length < size) return null
    const closes = /\r\nconnection: close\r\n/i.test(head)
    if (text.length > size) return { outcome: 'malformed', closes }
    return { outcome: outcomeOf(head, text.slice(headEnd + 4)), closes }
  }

  return (received) => {
    const same = recent.find(({ bytes }) => bytes.equals(received))
    if (same !== undefined) return same.judged
    const text = received.toString('latin1')
    const judged = known.get(text) ?? judgeText(text)
    if (judged === null) return null
    if (known.size >= rememberedTexts) known.clear()
    known.set(text, judged)
    // The bytes received lie in a buffer that the next answer overwrites.
    recent = [{ bytes: Buffer.from(received), judged }, ...recent.slice(0, rememberedAnswers - 1)]
    return judged
  }
}

function headersOf(head: string): Record<string, string> {
  const lines = head.trimEnd().split('\r\n').slice(1)
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
}
