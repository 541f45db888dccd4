import { registerHooks } from 'node:module'

// Makes a process the next build: its fold has the next version, and shows another collective status than this one.
const changes = [
  { file: '/packages/registration/src/fold.ts', from: 'foldVersion = 2', to: 'foldVersion = 3' },
  {
    file: '/packages/registration/src/view.ts',
    from: 'collectiveStatus: visible.collectiveStatus,',
    to: "collectiveStatus: visible.collectiveStatus === 'PENDING' ? null : visible.collectiveStatus,",
  },
]

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    const change = changes.find(({ file }) => url.endsWith(file))
    if (change === undefined) return loaded
    const source = String(loaded.source)
    if (!source.includes(change.from)) throw new Error(`${change.file} does not hold: ${change.from}`)
    return { ...loaded, source: source.replace(change.from, change.to) }
  },
})
