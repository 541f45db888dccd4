/** So many at a time; who comes beyond waits for a place, in the order of coming. */
export type Places = {
  /** A place, until it is disposed of. */
  take(): Promise<Disposable>
}

/** Creates `count` places. */
export function createPlaces(count: number): Places {
  let free = count
  const waiting: (() => void)[] = []

  /** The place goes to who waits longest. */
  function giveBack(): void {
    const next = waiting.shift()
    if (next === undefined) free += 1
    else next()
  }

  return {
    async take() {
      if (free > 0) free -= 1
      else await new Promise<void>((resolve) => waiting.push(resolve))
      let isTaken = true
      return {
        [Symbol.dispose]() {
          if (isTaken) giveBack()
          isTaken = false
        },
      }
    },
  }
}
