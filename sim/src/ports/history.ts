type Change = 'written' | 'lost'
type Listener = (change: Change) => void

/**
 * What a Redis holds, as a row of states: each script that changes anything adds one. What Redis loses it loses as a
 * suffix of that row.
 */
export function createHistory<State extends object>(empty: State) {
  let states: State[] = [empty]
  let state = empty
  const listeners: Listener[] = []
  const tell = (change: Change) => {
    for (const listener of listeners) listener(change)
  }

  return {
    now: () => state,
    set(next: State): void {
      state = next
      states.push(next)
      tell('written')
    },
    onChange: (listener: Listener) => void listeners.push(listener),
    /** Goes back by up to `most` states, but not to one that `mayBe` refuses; false when there is none. */
    loseTail(most: number, mayBe: (state: State) => boolean = () => true): boolean {
      for (let kept = Math.max(1, states.length - most); kept < states.length; kept++) {
        const earlier = states[kept - 1]
        if (earlier === undefined || earlier === state || !mayBe(earlier)) continue
        states = states.slice(0, kept)
        state = earlier
        tell('lost')
        return true
      }
      return false
    },
    /** False when there was nothing to lose. */
    flush(): boolean {
      if (state === empty) return false
      states = [empty]
      state = empty
      tell('lost')
      return true
    },
  }
}
