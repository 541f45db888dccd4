import { expect, test } from 'vitest'
import { type ContainerHandle, createContainerNode } from './container-node.ts'

test('a node is killed, started again and ready before start returns', async () => {
  const container = fakeContainer()
  const node = nodeOn(container)
  await node.kill()
  expect(container.state).toEqual({ Running: false, Paused: false })
  await node.start()
  expect(container.state).toEqual({ Running: true, Paused: false })
  expect(container.done).toEqual(['SIGKILL', 'start', 'asked whether it is ready'])
})

test('a paused node can be stopped', async () => {
  const container = fakeContainer()
  const node = nodeOn(container)
  await node.pause()
  await node.stop()
  expect(container.done).toEqual(['pause', 'unpause', 'stop'])
})

test('a node that is down is left alone, a running one is not started twice', async () => {
  const container = fakeContainer()
  const node = nodeOn(container)
  await expect(node.start()).rejects.toThrow('already running')
  await node.stop()
  await node.stop()
  await node.kill()
  await node.pause()
  await node.resume()
  expect(container.done).toEqual(['stop'])
})

function nodeOn(container: ReturnType<typeof fakeContainer>) {
  return createContainerNode({
    container,
    id: 1,
    port: 20_001,
    untilReady: async () => void container.done.push('asked whether it is ready'),
  })
}

/** As strict as Docker: what does not fit the state is refused. */
function fakeContainer() {
  const state = { Running: true, Paused: false }
  const done: string[] = []
  const step = (name: string, fits: boolean, next: Partial<typeof state>) => {
    if (!fits) throw new Error(`409: ${name} does not fit ${JSON.stringify(state)}`)
    done.push(name)
    Object.assign(state, next)
  }
  return {
    state,
    done,
    inspect: async () => ({ State: { ...state } }),
    start: async () => step('start', !state.Running, { Running: true }),
    stop: async () => step('stop', state.Running && !state.Paused, { Running: false }),
    kill: async ({ signal }) => step(signal, state.Running, { Running: false, Paused: false }),
    wait: async () => {},
    pause: async () => step('pause', state.Running && !state.Paused, { Paused: true }),
    unpause: async () => step('unpause', state.Paused, { Paused: false }),
  } satisfies ContainerHandle & Record<string, unknown>
}
