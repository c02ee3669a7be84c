// A soak as a page of Markdown (docs/soak.md), with its plot beside it.
import type { SoakRun } from './soak-run.ts'
import { type Answer, answers, judgedPoints, OTHERS_MOST, pointsOf, type Series, SHOWN } from './soak-series.ts'
import { CORRECTION_MS, ROWS_MINUTES, SOAK_SET } from './soak-settings.ts'
import { judged, MINIMUM, median, WARM_UP } from './soak-verdict.ts'

export interface SoakReport {
  run: SoakRun
  /** Of the plot, beside the page. */
  chart: string
  machine: string
  commit: string
}

const count = (n: number) => n.toLocaleString('en-GB')
const number = (value: number, unit: Series['unit']) =>
  Number.isNaN(value)
    ? '—'
    : `${value.toLocaleString('en-GB', { maximumFractionDigits: unit === 'cores' ? 2 : unit === 'ms' && value < 100 ? 1 : 0 })}${unit && ` ${unit}`}`

export function soakReport({ run, chart, machine, commit }: SoakReport): string {
  const { samples, options, load, differences, read, sessionsLooked, startedAt } = run
  const { minutes, rate, patterns } = options
  const all = answers(samples, minutes)
  const sent = load.sent / (minutes * 60)
  const kept = (series: Series) => judged(pointsOf(series, samples), minutes * 60).map(({ value }) => value)
  const latency = judged(judgedPoints(all.find(({ unit }) => unit === 'ms')!, samples), minutes * 60)
  const [undisturbed, after] = [latency.length, samples.filter(({ atS }) => atS > minutes * 60 * WARM_UP).length]
  const thirds = (series: Series) => {
    const values = kept(series)
    return [0, 1, 2].map((third) =>
      median(values.slice(Math.floor((values.length * third) / 3), Math.ceil((values.length * (third + 1)) / 3))),
    )
  }
  return `# What a soak has shown

One \`packmill up\` under a steady load for ${minutes} minutes, with retention set to minutes. ${headline(all)}. Its counts are ${differences.length === 0 ? 'right' : '**wrong**'}.
What else is tried on real processes: [proof.md](proof.md).

![data folder, memory and latency over the time](${chart})

## Is it flat?

The first third of the time is warm-up. Of the rest a series is flat where the medians of its first and last third differ by less than its limit, that of its last tenth by less
than twice the limit, and its trend (Theil–Sen) is less than the limit per hour; fewer than ${MINIMUM} points of ten seconds are no answer. Of data
folder and memory each point is the mean of the five minutes up to it: parts of tables that merges have replaced lie there until the engine's cleaner comes, every few minutes. Latency may
fall, and is judged by the points in which others took at most ${OTHERS_MOST * 100} % of the machine's cores (${count(undisturbed)} of ${count(after)} here): in the rest it is theirs.

${table(
  ['', 'first third', 'middle', 'last third', 'last tenth', 'per hour', 'limit', 'answer'],
  all.map(({ name, unit, limit, verdict }) => [
    name,
    ...[verdict.first, verdict.middle, verdict.last, verdict.tenth].map((value) => number(value, unit)),
    `${verdict.perHour >= 0 ? '+' : '−'}${number(Math.abs(verdict.perHour), unit)}`,
    `${limit.share * 100} %${limit.least > 0 ? `, at least ${limit.least} ${unit}` : ''}`,
    verdict.is === 'flat' ? 'flat' : `**${verdict.is}**: ${verdict.reasons.join(', ')}`,
  ]),
)}

As measured, medians of the same thirds; what others took of the machine meanwhile is in this latency:

${table(
  ['', 'first third', 'middle', 'last third'],
  SHOWN.map((series) => [series.name, ...thirds(series).map((value) => number(value, series.unit))]),
)}

Parts of the tables that are in use, at the end of the warm-up and at the end:

${table(['table', 'then', 'at the end'], tables(run))}

## Are its counts right?

${differences.length === 0 ? 'Yes: each event that was accepted is in a session, a duplicate, or late' : `**No**: ${differences.join('; ')}`}. ${count(load.sent)} events were sent (${count(Math.round(sent))} a second), ${count(load.accepted)} accepted,
${count(load.rejected)} rejected. ${count(load.patterns)} patterns were complete; of ${count(read)} the incident was read, once. The sessions of ${count(sessionsLooked)} of them, those that began 2 to 4 minutes before the end, were looked at in
the table. Whole answers are compared by torture, not here.

## What was done

Traffic as \`packmill traffic\` makes it, moved to the time of the day and sent over HTTP when it is due, whatever becomes of what was sent before: visits of users of whom few come
twice within an hour, 5 % of the lines twice, 2 % out of order, 0.5 % later than that, 0.1 % too late. Among it, ${patterns} times a second, three clicks of somebody who is never
seen again: latency is from when the third is due to when its incident is read from the log's files by another process, which sees it when it is written and not yet flushed.

${code(SOAK_SET)}

Corrections reach back ${CORRECTION_MS / 60_000} minutes. Retention in time is set for the log; rows of events, sessions and incidents live ${ROWS_MINUTES} minutes. \`analytics.ttlDays\` counts in days, and the engine looks for expired rows every four
hours (merge_with_ttl_timeout): so the tables were given minutes, and a look every minute, by statements of the engine before the start. The sums in fact_overview_hourly, fact_screen_hotspots, fact_flows and fact_tasks_hourly have no
retention: they grow with hours, screens and ways, and in such traffic nearly every session takes a way of its own (fact_flows).

Begun ${startedAt.slice(0, 16).replace('T', ' ')} UTC; ${machine}; commit ${commit}.
Written by \`npm run torture -- --soak ${minutes} --rate ${rate} --report docs/soak.md\`.
`
}

/** In words; which are not, by name. */
function headline(all: readonly Answer[]): string {
  const those = (is: Answer['verdict']['is']) => all.filter(({ verdict }) => verdict.is === is).map(({ name }) => name)
  const parts = [
    ['flat', 'Flat'],
    ['not flat', '**Not flat**'],
    ['too short', '**No answer**'],
  ] as const
  return parts.flatMap(([is, text]) => (those(is).length > 0 ? [`${text}: ${those(is).join('; ')}`] : [])).join('. ')
}

function tables({ samples, options }: SoakRun): string[][] {
  const then = samples.find(({ atS }) => atS > options.minutes * 60 * WARM_UP)?.tables ?? {}
  const now = samples.at(-1)?.tables ?? {}
  const mb = (bytes = 0) => `${(bytes / 1e6).toLocaleString('en-GB', { maximumFractionDigits: bytes < 1e7 ? 2 : 0 })} MB`
  return Object.keys(now)
    .filter((table) => !table.startsWith('_'))
    .map((table) => [table, mb(then[table]), mb(now[table])])
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((text, at) => Math.max(3, text.length, ...rows.map((row) => row[at].length)))
  const line = (row: readonly string[]) =>
    `| ${row.map((text, at) => (isText(head, at) ? text.padEnd(widths[at]) : text.padStart(widths[at]))).join(' | ')} |`
  const rule = widths.map((width, at) => (isText(head, at) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n')
}

/** Names, and answers in words; all else is numbers. */
const isText = (head: readonly string[], at: number) => at === 0 || ['limit', 'answer'].includes(head[at])

const code = (lines: readonly string[]) => ['```', ...lines, '```'].join('\n')
