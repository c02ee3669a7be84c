// What the demo shows, as text: a screen that is redrawn, a plain line where there is no terminal, and the end. Pure: figures in, text out.
import { styleText } from 'node:util'
import { formatCount, formatSeconds, formatTable } from './print.ts'

export interface DemoFigures {
  sent: number
  of: number
  /** Events per second, one entry per look, the latest last. */
  rates: readonly number[]
  processed: number
  duplicates: number
  late: number
  /** ms since epoch; 0 before the first. */
  eventTimeMs: number
  queryable: number
  openSessions: number
  closedSessions: number
  rageClicks: number
  backtracks: number
  abandonedTasks: number
  screens: readonly { screen: string; rageClicks: number; backtracks: number; abandonedTasks: number; users: number }[]
  /** The youngest first. */
  latest: readonly Incident[]
}

export interface Incident {
  incident_id: string
  at: string
  org_id: string
  user_id: string
  kind: string
  screen: string
  element: string
  count: number
}

const BAR_COLUMNS = 24
const SPARKS = '▁▂▃▄▅▆▇█'

type Style = Parameters<typeof styleText>[0]
/** Styles only where the terminal has them and nobody asked for none. */
const styled = (style: Style, text: string) => styleText(style, text, { stream: process.stdout })

/** The whole screen; lines are cut by who draws it. */
export function demoScreen(figures: DemoFigures, title: string): string {
  const { sent, of, rates, processed, queryable, openSessions, closedSessions, duplicates, late, rageClicks, backtracks, abandonedTasks } =
    figures
  const incidents = rageClicks + backtracks + abandonedTasks
  const share = of === 0 ? 1 : sent / of
  const rate = rates.at(-1) ?? 0
  return [
    '',
    ` ${styled('bold', title)}`,
    ` ${bar(share, 40)} ${String(Math.floor(share * 100)).padStart(3)} %   ${styled('dim', `event time ${clock(figures.eventTimeMs)}`)}`,
    '',
    figure('events in', sent, `${formatCount(rate)}/s  ${styled('cyan', sparkline(rates))}`),
    figure('processed', processed, `${formatCount(duplicates)} duplicates, ${formatCount(late)} late`),
    figure('queryable', queryable, ''),
    figure('open sessions', openSessions, `${formatCount(closedSessions)} closed`),
    figure(
      'incidents',
      incidents,
      `${formatCount(rageClicks)} rage clicks, ${formatCount(backtracks)} backtracks, ${formatCount(abandonedTasks)} abandoned tasks`,
    ),
    '',
    ` ${styled('bold', 'Worst screens so far')}`,
    ...screenLines(figures.screens),
    '',
    ` ${styled('bold', 'Incidents as they happen')}`,
    ...padded(figures.latest.map(incidentLine), 6),
    '',
  ].join('\n')
}

/** One line, every few seconds. */
export function demoLine(figures: DemoFigures): string {
  const { sent, of, rates, openSessions, rageClicks, backtracks, latest } = figures
  const said = [
    `${formatCount(sent)} of ${formatCount(of)} events`,
    `${formatCount(rates.at(-1) ?? 0)}/s`,
    `${formatCount(openSessions)} open sessions`,
    `${formatCount(rageClicks)} rage clicks`,
    `${formatCount(backtracks)} backtracks`,
  ]
  const [youngest] = latest
  return `${said.join(', ')}${youngest ? `; latest: ${describe(youngest)}` : ''}`
}

export function demoEnd(figures: DemoFigures, { folder, seconds }: { folder: string; seconds: number }): string {
  const { sent, processed, duplicates, late, openSessions, closedSessions, rageClicks, backtracks, abandonedTasks } = figures
  const sum = `${formatCount(sent)} events sent = ${formatCount(processed - duplicates - late)} in sessions + ${formatCount(duplicates)} duplicates + ${formatCount(late)} late`
  const data = `--data ${/^[\w./-]+$/.test(folder) ? folder : JSON.stringify(folder)}`
  return [
    styled('bold', `Done in ${formatSeconds(seconds)}. Every event counted once:`),
    `  ${sum}`,
    `  ${formatCount(openSessions + closedSessions)} sessions (${formatCount(openSessions)} still open), ${formatCount(rageClicks)} rage clicks, ${formatCount(backtracks)} backtracks, ${formatCount(abandonedTasks)} abandoned tasks`,
    '',
    styled('bold', 'Worst screens'),
    ...screenLines(figures.screens),
    '',
    styled('bold', 'Try next'),
    ...[
      `npx packmill sql ${data} "SELECT element, count() AS bursts, max(count) AS clicks FROM incidents WHERE kind = 'rage_click' GROUP BY element ORDER BY bursts DESC LIMIT 5"`,
      `npx packmill sql ${data} "SELECT org_id, count() AS sessions, round(avg(duration_ms) / 60000, 1) AS minutes FROM sessions GROUP BY org_id ORDER BY sessions DESC"`,
      `npx packmill topology describe clickstream`,
      `npx packmill import your-events.jsonl.gz     # one JSON object a line; the README has the fields`,
      `npx packmill --help`,
    ].map((line) => `  ${line}`),
  ].join('\n')
}

/** `rage click on /checkout #pay, 5 clicks (acme)` */
export function describe({ kind, screen, element, count, org_id: org }: Incident): string {
  const place = [screen, element].filter(Boolean).join(' ')
  const words: Readonly<Record<string, string>> = {
    rage_click: `rage click on ${place}, ${count} clicks`,
    backtrack: `backtrack to ${screen}`,
    abandoned_task: `task ${element} abandoned, begun on ${screen}`,
    dead_click: `dead click on ${place}`,
  }
  return `${words[kind] ?? `${kind} on ${place}`} (${org})`
}

function figure(name: string, value: number, remark: string): string {
  return ` ${name.padEnd(15)}${styled('bold', formatCount(value).padStart(11))}   ${remark}`
}

function screenLines(screens: DemoFigures['screens']): string[] {
  if (screens.length === 0) return [styled('dim', '   none yet')]
  const sum = (of: DemoFigures['screens'][number]) => of.rageClicks + of.backtracks + of.abandonedTasks
  const most = Math.max(...screens.map(sum))
  const rows = screens.map((one) => {
    const { screen, rageClicks, backtracks, abandonedTasks, users } = one
    const total = sum(one)
    return [
      `  ${screen}`,
      bar(total / most, BAR_COLUMNS),
      formatCount(total).padStart(6),
      `${formatCount(rageClicks)} rage clicks, ${formatCount(backtracks)} backtracks, ${formatCount(abandonedTasks)} abandoned tasks, ${formatCount(users)} users`,
    ]
  })
  return formatTable(rows).split('\n')
}

function incidentLine(incident: Incident): string {
  const mark = incident.kind === 'rage_click' ? styled('red', '●') : styled('yellow', '↩')
  return `  ${styled('dim', incident.at)} ${mark} ${describe(incident)}`
}

const padded = (lines: string[], count: number) => [...lines, ...Array<string>(Math.max(0, count - lines.length)).fill('')]

/** Wide enough for share 1 = `columns`; never styled, because tables measure it. */
function bar(share: number, columns: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * columns)
  return '█'.repeat(full) + '░'.repeat(columns - full)
}

export function sparkline(values: readonly number[]): string {
  const most = Math.max(1, ...values)
  return values.map((value) => SPARKS[Math.min(SPARKS.length - 1, Math.floor((value / most) * SPARKS.length))]).join('')
}

/** `Mon 2 Mar 08:41` */
function clock(ms: number): string {
  if (ms === 0) return '–'
  const [day, , date, month, time] = new Date(ms).toUTCString().replace(',', ' ').split(' ')
  return `${day} ${Number(date)} ${month} ${time === undefined ? '' : new Date(ms).toISOString().slice(11, 16)}`
}
