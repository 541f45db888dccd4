#!/usr/bin/env node
import { runCommandLine } from '@signalbox/runtime/command-line'
import { createBalanceVerb } from './balance/balance.ts'
import { createExplainVerb } from './explain/explain.ts'
import { createKeysCheckVerb } from './keys/check.ts'
import { keysGenerateVerb } from './keys/generate.ts'
import { createKeysShowVerb } from './keys/show.ts'
import { createListenVerb } from './listen/listen.ts'
import { createQuarantineListVerb } from './quarantine/list.ts'
import { createQuarantineRedriveVerb } from './quarantine/redrive.ts'
import { createQuarantineShowVerb } from './quarantine/show.ts'
import { signVerb } from './sign/sign.ts'
import { createVerifyVerb } from './verify/verify.ts'
import { createRebuildVerb } from './view/rebuild.ts'
import { createReplayVerb } from './view/replay.ts'

const { env } = process
const verbs = [
  keysGenerateVerb,
  createKeysShowVerb(env),
  createKeysCheckVerb(env),
  createVerifyVerb(env),
  signVerb,
  createListenVerb(env),
  createQuarantineListVerb(env),
  createQuarantineShowVerb(env),
  createQuarantineRedriveVerb(env),
  createExplainVerb(env),
  createBalanceVerb(env),
  createReplayVerb(env),
  createRebuildVerb(env),
]
process.exitCode = await runCommandLine('signalbox', verbs, process.argv.slice(2))
