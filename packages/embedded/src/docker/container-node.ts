import type { ServerNode } from '../process/server-node.ts'

/** What is asked of a container; dockerode's has it. */
export interface ContainerHandle {
  inspect(): Promise<{ State: { Running: boolean; Paused: boolean } }>
  start(): Promise<unknown>
  stop(options: { t: number }): Promise<unknown>
  kill(options: { signal: string }): Promise<unknown>
  wait(): Promise<unknown>
  pause(): Promise<unknown>
  unpause(): Promise<unknown>
}

const stopDeadlineSeconds = 30

/** A server in a container, started once already. Its port on the host must be a fixed one. */
export function createContainerNode({
  container,
  id,
  port,
  untilReady,
}: {
  container: ContainerHandle
  id: number
  port: number
  untilReady: () => Promise<void>
}): ServerNode {
  const node: ServerNode = {
    id,
    port,
    async kill() {
      const { State: state } = await container.inspect()
      if (!state.Running) return
      const gone = container.wait()
      await container.kill({ signal: 'SIGKILL' })
      await gone
    },
    async stop() {
      const { State: state } = await container.inspect()
      if (!state.Running) return
      if (state.Paused) await container.unpause()
      await container.stop({ t: stopDeadlineSeconds })
    },
    async start() {
      const { State: state } = await container.inspect()
      if (state.Running) throw new Error(`The container of server ${id} is already running`)
      await container.start()
      await untilReady()
    },
    async restart() {
      await node.stop()
      await node.start()
    },
    async pause() {
      const { State: state } = await container.inspect()
      if (state.Running && !state.Paused) await container.pause()
    },
    async resume() {
      const { State: state } = await container.inspect()
      if (state.Paused) await container.unpause()
    },
  }
  return node
}
