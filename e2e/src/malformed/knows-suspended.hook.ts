import { registerHooks } from 'node:module'

// Makes a process the build that has learnt the status SUSPENDED: it reads it as CANCELLED.
const before = "const status = given(item.status) ?? 'PENDING'"
const after = "const status = (given(item.status) ?? 'PENDING').replace('SUSPENDED', 'CANCELLED')"

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (!url.endsWith('/packages/registration/src/observation.ts')) return loaded
    const source = String(loaded.source)
    if (!source.includes(before))
      throw new Error('observation.ts does not read a status as this hook expects')
    return { ...loaded, source: source.replace(before, after) }
  },
})
