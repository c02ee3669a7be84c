// packmill verify: are the sessions in the tables those that the accepted events make? Owns what is asked and printed; the counting is services/process/verify.ts's.
import { type Command, InvalidArgumentError } from 'commander'
import type { Config } from '../../config/index.ts'
import type { Difference, Verification, Verified } from '../../services/process/verify.ts'
import { addDataOptions, addExamples, addJsonOption, type DataOptions, resolveConfig } from '../common-options.ts'
import { EXIT_FAILURE } from '../errors.ts'
import { interrupt } from '../interrupt.ts'
import { openFolder } from '../open-folder.ts'
import { formatCount, formatTable } from '../print.ts'
import { progress } from '../progress.ts'
import { requireData } from '../require-data.ts'
import { instantOf } from '../times.ts'

interface VerifyOptions extends DataOptions {
  day?: number
  from?: number
  to?: number
  org?: string
  json?: boolean
}

const DAY_MS = 86_400_000
/** Differences that are printed one by one. */
const SHOWN_MAX = 50

export function verify(command: Command): void {
  command
    .option('--day <date>', 'sessions that began on this day (UTC), as in 2026-03-02', day)
    .option('--from <time>', 'sessions that began then or later: a day, or a time as in 2026-03-02T07:00:00Z', time)
    .option('--to <time>', 'sessions that began before', time)
    .option('--org <id>', 'only of this organisation')
    .action(run)
    .addHelpText(
      'after',
      `
Counts sessions again from events_raw, with windows in SQL, and compares start, end, events, clicks, screens, tasks and errors of each with the table, and its
incidents with how many its row counts. It takes from the engine which events were late (events_late) or dead letters (events_dlq), and the settings that are
in force here: give those of the process. Not judged, and counted apart: open sessions, users of whom an event came twice within a session with two times,
sessions that go on for longer than clickstream.sessionMaxMs, and what the tables' retention has begun to delete. Exit code 1 where anything differs.`,
    )
  addExamples(addJsonOption(addDataOptions(command)), [
    ['packmill verify', 'every day that the tables have'],
    ['packmill verify --day 2026-03-02', 'one day; beside `packmill up`, or of a stopped folder'],
    ['packmill verify --from 2026-03-02T06:00:00Z --to 2026-03-02T09:00:00Z --org acme', 'three hours of one organisation'],
    ['packmill verify --day 2026-03-02 --json', 'for programs: per organisation and product, and the first differences'],
  ])
}

const time = (text: string) => instantOf(text)

function day(text: string): number {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) throw new InvalidArgumentError('It must be a day, as in 2026-03-02.')
  return time(text)
}

async function run(options: VerifyOptions, command: Command): Promise<void> {
  const { day, org, from = day, to = day === undefined ? undefined : day + DAY_MS } = options
  if (day !== undefined && (options.from !== undefined || options.to !== undefined))
    command.error('error: --day and --from or --to exclude each other')
  if (from !== undefined && to !== undefined && from >= to) command.error('error: --from must be before --to')
  const { config } = await resolveConfig(options)
  requireData(config)
  const found = await verification(config, { fromMs: from, toMs: to, org })
  console.log(options.json ? JSON.stringify(found, null, 2) : asText(found))
  if (found.different > 0) process.exitCode = EXIT_FAILURE
}

async function verification(config: Config, asked: { fromMs?: number; toMs?: number; org?: string }): Promise<Verification> {
  const [{ verify: verifyAll }, { computedIn, folderMeta }] = await Promise.all([
    import('../../services/process/verify.ts'),
    import('../../services/process/data-folder.ts'),
  ])
  const lineage = computedIn(folderMeta(config.data))
  const { events, facts } = config.analytics.ttlDays
  const stopping = interrupt((name) => console.error(`${name}: stopping`))
  const folder = await openFolder(config, { stopping })
  try {
    const shown = progress({ label: 'verify', unit: 'sessions' })
    let sessions = 0
    const verifying = verifyAll({
      ...{ window: config.clickstream, lineage, ...asked, org: asked.org },
      // What was received a day later may have belonged to what is going.
      expiredMs: Date.now() - (Math.min(events, facts) - 2) * DAY_MS,
      query: (sql) => folder.query(sql),
      settle: () => folder.settle({ snapshots: false, close: false }),
      isLive: folder.owner !== undefined,
      signal: stopping.signal,
      onProgress: (share, count) => shown.update((sessions = count), share),
    })
    const found = await stopping.race(verifying)
    shown.finish(sessions)
    return found
  } finally {
    await folder.stop(stopping.signal.aborted ? 'at once' : undefined)
  }
}

function asText({ days, different, differences }: Verification): string {
  if (days.length === 0) return 'There are no events and no sessions of that time.'
  const byDay = [...Map.groupBy(days, ({ day }) => day)]
  const head = ['day', 'sessions', 'events', 'clicks', 'in the table:', 'sessions', 'events', 'clicks', 'not judged']
  const rows = byDay.map(([day, own]) => [day, ...figures(own)])
  const lines = [formatTable([head, ...rows]), '']
  if (different === 0) return [...lines, judged(days)].join('\n')
  lines.push(`${formatCount(different)} differences:`)
  const shown = differences.slice(0, SHOWN_MAX)
  lines.push(
    formatTable([['what', 'session', 'organisation', 'product', 'user', 'began', 'counted again → in the table'], ...shown.map(cells)]),
  )
  if (different > shown.length)
    lines.push(`and ${formatCount(different - shown.length)} more; --json names up to 200 of each product and day`)
  return lines.join('\n')
}

/** Where nothing differs: what that says. */
function judged(days: readonly Verified[]): string {
  if (days.some(({ sessions }) => sessions > 0)) return 'The tables hold what the events make.'
  const whys = unjudged(days)
  const open = days.reduce((sum, { unjudged }) => sum + unjudged.open, 0)
  if (open === 0) return `Nothing was judged: ${whys.join(', ')}.`
  const all = open === 1 ? 'the only session is open' : `all ${formatCount(open)} sessions are open`
  return [
    `Nothing was judged: ${whys.length === 1 ? all : whys.join(', ')}.`,
    '  Where no later event goes on with one: packmill import FILE --close ends the open ones (the same file again adds nothing).',
  ].join('\n')
}

function figures(own: readonly Verified[]): string[] {
  const sum = (name: 'sessions' | 'events' | 'clicks' | 'tableSessions' | 'tableEvents' | 'tableClicks') =>
    formatCount(own.reduce((total, row) => total + row[name], 0))
  return [
    ...[sum('sessions'), sum('events'), sum('clicks'), '', sum('tableSessions'), sum('tableEvents'), sum('tableClicks')],
    unjudged(own).join(', '),
  ]
}

/** How many were not compared, by reason. */
const unjudged = (own: readonly Verified[]): string[] =>
  (['open', 'unsure', 'long', 'expired'] as const).flatMap((why) => {
    const n = own.reduce((total, row) => total + row.unjudged[why], 0)
    return n > 0 ? [`${formatCount(n)} ${why}`] : []
  })

const cells = ({ what, sessionIds, org, product, user, startedAt, values }: Difference) => [
  what,
  sessionIds[0] ?? '',
  org,
  product,
  user,
  startedAt,
  Object.entries(values)
    .map(([name, [counted, table]]) => `${name} ${counted} → ${table}`)
    .join(', '),
]
