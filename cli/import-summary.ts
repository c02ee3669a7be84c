// What an import amounts to: figures, warnings, and whether it counts as failed. Pure but for the questions to the tables.
import type { Stats } from '../services/process/embedded.ts'
import type { Local } from '../services/process/local.ts'
import type { WebLogCounts } from '../services/process/web-log.ts'
import type { FileReport } from './commands/import.ts'
import { formatCount, formatSeconds, formatTable } from './print.ts'

/** Of this run: events. In the folder now: sessions, incidents, old events. */
export interface Totals {
  duplicates: number
  late: number
  deadLettered: number
  sessions: number
  openSessions: number
  incidents: number
  /** Events that can hardly be meant so: of before 1973. */
  old: number
}

/** 10^11 ms: what is below is a time of ours in seconds. */
const OLD = "toDateTime64('1973-03-03 09:46:40', 3, 'UTC')"

/** Undefined where the process fills no tables (kafka.sinks: false): all is in, and another one's can be asked. */
export async function totalsOf(folder: Local, before: Stats, after: Stats): Promise<Totals | undefined> {
  const grown = (name: 'duplicates' | 'late' | 'deadLettered') => sum(after, name) - sum(before, name)
  const rows = await folder
    .query<{ sessions: number; openSessions: number; incidents: number; old: number }>(
      `SELECT (SELECT count() FROM sessions) AS sessions, (SELECT count() FROM sessions WHERE closed = 0) AS openSessions,
        (SELECT count() FROM incidents) AS incidents, (SELECT count() FROM events_raw WHERE ts < ${OLD} AND type != '') AS old`,
    )
    .catch((error: Error & { code?: string }): undefined => {
      if (error.code !== 'NO_TABLES') throw error
    })
  return rows && { duplicates: grown('duplicates'), late: grown('late'), deadLettered: grown('deadLettered'), ...rows[0]! }
}

const sum = ({ tasks }: Stats, name: 'duplicates' | 'late' | 'deadLettered') => tasks.reduce((total, task) => total + task[name], 0)

export interface Summary {
  json: object
  text: string
  warnings: string[]
  isFailure: boolean
}

/** Without totals the run was stopped before everything could be queried, or nothing can be. */
export function summarise(
  reports: readonly FileReport[],
  totals: Totals | undefined,
  { seconds, correctionMs }: { seconds: number; correctionMs: number },
): Summary {
  const all = (pick: (report: FileReport) => number) => reports.reduce((total, report) => total + pick(report), 0)
  const accepted = all((report) => report.accepted - report.before)
  const rejected = all((report) => report.rejectedNow)
  const before = all((report) => report.before)
  const eventsPerSecond = Math.round(accepted / seconds)
  const rejectsTo = [...new Set(reports.filter((report) => report.rejectedNow > 0).map(({ rejects }) => rejects.path))]
  const warnings: string[] = []
  if (rejected > 0 && accepted === 0 && before === 0)
    warnings.push(
      `None of the lines is an event: is this another format? The first reasons:\n${firstReasons(reports)}\n  What an event looks like is in docs/wire-event.md and the README; \`packmill traffic --events 3 --out -\` shows three.`,
    )
  if (totals && totals.late > 0)
    warnings.push(
      `LATE: ${formatCount(totals.late)} events came too late to be counted: more than clickstream.correctionMs (${formatSeconds(correctionMs / 1000)}) behind others of their product.\n` +
        '  They are in the table events_late. To have them counted, import the files oldest first, or raise clickstream.correctionMs\n' +
        '  (as in --set clickstream.correctionMs=24h), into a new folder (--data).',
    )
  const { old = 0, ...counts } = totals ?? {}
  if (old > 0 && accepted > 0)
    warnings.push(
      `${formatCount(old)} events in the folder have times before 1973: are they in seconds? ts is in milliseconds.\n` +
        '  If so, import them again with ts times 1000, into a new folder (--data).',
    )
  if (totals && totals.deadLettered > 0)
    warnings.push(
      `${formatCount(totals.deadLettered)} events could not be processed. They are in the table events_dlq, with the reason: packmill sql "SELECT code, message, count() FROM events_dlq GROUP BY ALL"`,
    )
  const webs = reports.flatMap((report) => report.web ?? [])
  const webSum = (name: keyof WebLogCounts) => webs.reduce((total, counts) => total + counts[name], 0)
  const web: WebLogCounts | undefined =
    webs.length > 0 ? { assets: webSum('assets'), bots: webSum('bots'), filtered: webSum('filtered') } : undefined
  if (web && web.assets + web.bots > 0)
    warnings.push(
      `Web logs: ${formatCount(web.assets)} requests for assets and ${formatCount(web.bots)} by robots, ${formatCount(web.filtered)} lines left out. ` +
        'Those that are in are marked in properties; --skip assets,bots leaves them out.',
    )
  const json = {
    files: reports.map(({ file, lines, accepted, rejected, before, complete, web, rejects, rejectedNow }) => ({
      file,
      lines,
      accepted,
      rejected,
      before,
      complete,
      ...(web ? { web } : {}),
      ...(rejectedNow > 0 ? { rejects: rejects.path } : {}),
    })),
    accepted,
    rejected,
    before,
    ...(web ? { filtered: web.filtered, web } : {}),
    ...counts,
    seconds: Math.round(seconds * 1000) / 1000,
    eventsPerSecond,
  }
  const rows: string[][] = [
    ['accepted', `${formatCount(accepted)} events${before > 0 ? `, beside ${formatCount(before)} of an earlier run` : ''}`],
    ...(web ? [['filtered', `${formatCount(web.filtered)} lines of web logs (--skip)`]] : []),
    ['rejected', `${formatCount(rejected)} lines${rejectsTo.length > 0 ? `, see ${rejectsTo.join(', ')}` : ''}`],
  ]
  if (totals) {
    rows.push(
      ['duplicates', formatCount(totals.duplicates)],
      ['late', formatCount(totals.late)],
      ['sessions', `${formatCount(totals.sessions)} in the folder, ${formatCount(totals.openSessions)} of them open`],
      ['incidents', formatCount(totals.incidents)],
      ['rate', `${formatCount(eventsPerSecond)} events/s, until they could be queried`],
    )
  }
  return { json, text: reports.length > 0 ? formatTable(rows) : '', warnings, isFailure: rejected > 0 && accepted === 0 && before === 0 }
}

function firstReasons(reports: readonly FileReport[]): string {
  return reports
    .flatMap(({ file, rejects }) =>
      [...rejects.reasons].slice(0, 3).map(([kind, { line, message, count }]) => {
        return `  ${file}:${line}  ${kind.trim()}: ${message}${count > 1 ? ` (${formatCount(count)} lines)` : ''}`
      }),
    )
    .slice(0, 6)
    .join('\n')
}
