import { z } from 'zod'

/** Which sandbox; every verb has it. */
export const folderOption = z.string().min(1).meta({ value: 'FOLDER', description: 'folder of the sandbox' })

/** The address of a server without a path. */
export const originOption = z
  .url({ protocol: /^https?$/, error: 'it must look like http://127.0.0.1:8080' })
  .refine(
    (url) => new URL(url).pathname === '/',
    'it must have no path: the path is the one that init was told',
  )
