import { runCommandLine } from '@signalbox/runtime/command-line'
import { curlVerb } from './verbs/curl.ts'
import { initVerb } from './verbs/init.ts'
import { inquiriesVerb } from './verbs/inquiries.ts'
import { sendVerb } from './verbs/send.ts'
import { sinksVerb } from './verbs/sinks.ts'

const verbs = [initVerb, sinksVerb, sendVerb, curlVerb, inquiriesVerb]
process.exitCode = await runCommandLine('simulator', verbs, process.argv.slice(2))
