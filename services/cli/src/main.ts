#!/usr/bin/env node
import { runCommandLine } from '@signalbox/runtime/command-line'
import { createKeysCheckVerb } from './keys/check.ts'
import { keysGenerateVerb } from './keys/generate.ts'
import { createKeysShowVerb } from './keys/show.ts'
import { signVerb } from './sign/sign.ts'
import { createVerifyVerb } from './verify/verify.ts'

const { env } = process
const verbs = [
  keysGenerateVerb,
  createKeysShowVerb(env),
  createKeysCheckVerb(env),
  createVerifyVerb(env),
  signVerb,
]
process.exitCode = await runCommandLine('signalbox', verbs, process.argv.slice(2))
