import { reasonGuides } from '../packages/quarantine/src/reasons.ts'
import { obstacles } from '../packages/quarantine/src/redrive-record.ts'

/** The Markdown page on quarantine, with one row a reason. */
export function quarantinePage(): string {
  const rows = Object.entries(reasonGuides).map(
    ([reason, { by, meaning, whatToDo }]) => `| \`${reason}\` | ${by} | ${meaning} | ${whatToDo} |`,
  )
  return `# Quarantine

What is signed but does not fit is not applied and not lost: it is kept for 30 days in \`registration.quarantine.v1\`,
with its bytes, its headers, a reason and where it came from. State is untouched by it, and no partition waits for it.
This page is made by \`npm run configuration\` from \`packages/quarantine/src/reasons.ts\`; it is the whole list of reasons.

| reason | set aside by | what it means | what to do |
|---|---|---|---|
${rows.join('\n')}

## Commands

| command line | API of the console | who | does |
|---|---|---|---|
| \`signalbox quarantine list\` | \`GET /v1/quarantine\` | viewer | lists, the newest first; by reason, client, request id and time |
| \`signalbox quarantine show 3-42\` | \`GET /v1/quarantine/3-42\` | viewer | shows one record: bytes, headers, reason, what to do |
| \`signalbox quarantine redrive …\` | \`POST /v1/quarantine/redrive\` | operator | puts one record, or all of a reason, request id or time range, back |

A position is \`<partition>-<offset>\` in the quarantine topic. Over the API a bearer sees the records of its clients, and
those that name no client only when it sees all.

## Putting back

A redrive appends the original bytes and headers to \`registration.raw.v1\` again, under the same key and partition, with a
header \`replayed-from\` that says where the record was first of all. The processor treats it like any other record.

- **Look first**: \`--dry-run\` (\`"dryRun": true\`) counts what would be put back, by reason, and what this version would set
  aside again.
- **Twice changes nothing**: the fold knows what it has heard. What was put back before is counted and left alone, unless
  \`--again\` (\`"again": true\`) is given; what was put back and set aside again counts as a record of its own.
- **A run takes 1,000 records**; the same command again goes on with the rest. With \`--again\` nothing tells it what it
  took before: it takes the oldest first, and says from when on the rest was set aside (\`--from\`, \`"goOnFrom"\`). Give
  that time to go on.
- **To know what was put back before**, it looks through the raw topic since the oldest of the records, a million records
  at most. Beyond that it puts nothing back: narrow the time range to newer records, or give \`--again\`.
- **Without merchant** (\`unattributable\`, \`unroutable\`): name it with \`--attributed-to\` (\`"attributedTo"\`). It becomes part
  of the record, which then stands under that merchant's key. The view cannot be searched by request id, so a person has
  to know the merchant: it is the one for which that request id was sent to Alipay+. So it takes one position, or a
  selection by that id (\`--request-id\`, \`"registrationRequestId"\`); any other may hold notifications of several
  merchants and is refused. What names neither goes back one by one.

Some records cannot be put back, and the report says of how many and why:

${Object.values(obstacles)
  .map((why) => `- ${why}`)
  .join('\n')}
`
}
