/** So many at a time; who comes beyond waits for a place, in the order of coming. */
export type Places = {
  /** A place, until it is disposed of. */
  take(): Promise<Disposable>
  /** Several, all at the same time; more than there are never come. */
  takeMany(count: number): Promise<Disposable[]>
}

/** Creates `count` places. */
export function createPlaces(count: number): Places {
  let free = count
  const waiting: { wanted: number; come: () => void }[] = []

  /** Places go to who waits longest, and to nobody else before. */
  function giveOut(): void {
    for (let [next] = waiting; next !== undefined && next.wanted <= free; [next] = waiting) {
      waiting.shift()
      free -= next.wanted
      next.come()
    }
  }

  function place(): Disposable {
    let isTaken = true
    return {
      [Symbol.dispose]() {
        if (!isTaken) return
        isTaken = false
        free += 1
        giveOut()
      },
    }
  }

  function come(wanted: number): Promise<void> {
    return new Promise((resolve) => {
      waiting.push({ wanted, come: resolve })
      giveOut()
    })
  }

  return {
    async take() {
      await come(1)
      return place()
    },
    async takeMany(wanted) {
      await come(wanted)
      return Array.from({ length: wanted }, place)
    },
  }
}
