import assert from 'node:assert/strict'

/**
 * Creates what makes one call of many: what is asked in the same turn of the event loop goes together, by `keyOf`, and
 * `most` at a time. Everyone gets an answer of his own; when a call rejects, it does so for all that it was made for.
 */
export function createGather<Item, Answer>({
  keyOf,
  most,
  call,
}: {
  keyOf: (item: Item) => string | number
  most: number
  /** Gives an answer for each, in their order. */
  call: (items: readonly Item[]) => Promise<readonly Answer[]>
}): (item: Item) => Promise<Answer> {
  type Asked = PromiseWithResolvers<Answer> & { item: Item }
  const gathered = new Map<string | number, Asked[]>()

  function begin(key: string | number): Asked[] {
    const asked: Asked[] = []
    gathered.set(key, asked)
    // Where this runs for a promise, all others that have settled by now have their turn before.
    process.nextTick(() => {
      if (gathered.get(key) === asked) gathered.delete(key)
      callFor(asked).catch((error: unknown) => {
        for (const { reject } of asked) reject(error)
      })
    })
    return asked
  }

  async function callFor(asked: readonly Asked[]): Promise<void> {
    const answers = await call(asked.map(({ item }) => item))
    assert.equal(answers.length, asked.length, 'there is an answer for each')
    for (const [place, answer] of answers.entries()) asked[place]?.resolve(answer)
  }

  return function ask(item) {
    const key = keyOf(item)
    const known = gathered.get(key)
    const asked = known === undefined || known.length >= most ? begin(key) : known
    const waiting = { item, ...Promise.withResolvers<Answer>() }
    asked.push(waiting)
    return waiting.promise
  }
}
