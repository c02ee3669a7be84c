// packmill topology: a topology as its readers need it: text for people, JSON for programs, Mermaid for pages. Draws the same value that runs.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import type { Config } from '../../config/index.ts'
import type { Topology } from '../../engine/index.ts'
import type { Local } from '../../services/process/local.ts'
import { addDataOptions, addExamples, type DataOptions, resolveConfig } from '../common-options.ts'
import { interrupt } from '../interrupt.ts'
import { wholeNumber } from '../numbers.ts'
import { formatCount, formatTable } from '../print.ts'
import { streamsDrawing } from '../streams-drawing.ts'
import { type Drawing, drawing } from '../topology-drawing.ts'
import { addLineageCommands } from '../topology-lineages.ts'
import { type Live, type Look, live } from '../topology-live.ts'

interface DescribeOptions extends DataOptions {
  format: 'text' | 'json' | 'mermaid'
  json?: boolean
  mermaid?: boolean
  live?: boolean
  every: number
}

const topologies: Readonly<Record<string, (config: Config) => Promise<Topology>>> = {
  async clickstream(config) {
    const [{ clickstreamSettings }, { clickstream }] = await Promise.all([
      import('../../services/process/embedded.ts'),
      import('../../topologies/clickstream.ts'),
    ])
    return clickstream(clickstreamSettings(config))
  },
}

class NotRunningError extends Error {
  readonly code = 'NOT_RUNNING'
  readonly advice = 'Start one with `packmill up`, or name its data folder with --data.'
  constructor(folder: string) {
    super(`no process is at work in ${folder}, or it does not answer: there are no rates to show`)
  }
}

export function topology(command: Command): void {
  command.usage('describe|replay|reset [options] <name|file>')
  const describe = command.command('describe').description('print the graph of a topology, with the settings that are in force')
  describe
    .argument('<name>', `which: ${Object.keys(topologies).join(', ')}, or a file that exports one of your own`)
    .addOption(new Option('--format <format>', 'how').choices(['text', 'json', 'mermaid']).default('text'))
    .option('--json', 'the same as --format json')
    .option('--mermaid', 'the same as --format mermaid')
    .option('--live', 'rates and lag on the edges, of the process that is at work in the data folder; until Ctrl-C')
    .option('--every <seconds>', 'with --live: how often', wholeNumber(1, 3_600), 1)
    .action(run)
    .exitOverride()
  const examples = [
    ['packmill topology describe clickstream', 'topics, operators, tables'],
    ['packmill topology describe ./mine.ts', 'one of your own, before it runs'],
    ['packmill topology describe clickstream --mermaid', 'a graph for a page in Markdown'],
    ['packmill topology describe clickstream --json', 'for programs'],
    ['packmill topology describe clickstream --live', 'what goes over each edge now, beside `packmill up`'],
    ['packmill topology describe clickstream --live --json', 'the same once, of one second'],
  ] as const
  addExamples(command, [...examples, ...addLineageCommands(command, Object.keys(topologies))])
  addExamples(addDataOptions(describe), examples)
}

async function run(name: string, options: DescribeOptions, command: Command): Promise<void> {
  const make = Object.hasOwn(topologies, name) ? topologies[name] : undefined
  const known = Object.keys(topologies).join(', ')
  if (!make && !isFile(name))
    return command.error(`error: there is no topology ${name}; there is ${known}, or give the path of a file that exports one`)
  if (!make && options.live)
    return command.error(`error: --live shows ${known} at work in a data folder; \`packmill run\` says itself what came through`)
  if (options.json && options.mermaid) return command.error('error: --json and --mermaid exclude each other')
  const { config } = await resolveConfig(options)
  const drawn = make ? drawing(await make(config)) : await ownDrawing(name)
  if (options.live) return watch(drawn, config, options)
  const format = options.json ? 'json' : options.mermaid ? 'mermaid' : options.format
  console.log(format === 'json' ? JSON.stringify(drawn, null, 2) : format === 'mermaid' ? mermaid(drawn) : text(drawn))
}

/** `./mine.ts`, `mine.mjs`: also one that is not there, so that the error is about a file. */
const isFile = (name: string) => /[\\/]|\.[cm]?[jt]s$/.test(name)

async function ownDrawing(file: string): Promise<Drawing> {
  const { loadTopology } = await import('../../services/streams/load-topology.ts')
  return streamsDrawing(await loadTopology(file))
}

/** Redrawn in place in a terminal, lines elsewhere; once as JSON. */
async function watch(drawn: Drawing, config: Config, { json, format, every }: DescribeOptions): Promise<void> {
  const { connect } = await import('../../services/process/local.ts')
  const folder = await connect(config.data)
  if (!folder) throw new NotRunningError(config.data)
  const look = async (): Promise<Look> => ({ stats: await folder.stats(), ms: performance.now() })
  const stopping = interrupt(() => undefined)
  const pause = () => sleep(every * 1000, undefined, { signal: stopping.signal })
  const screen = process.stdout.isTTY ? (await import('log-update')).createLogUpdate(process.stdout) : undefined
  try {
    for (let before = await look(); ; ) {
      await pause()
      const now = await stopping.race(look())
      const found = live(drawn, before, now)
      before = now
      if (json || format === 'json') return console.log(JSON.stringify({ ...found, seconds: every, process: processOf(folder) }, null, 2))
      const shown = liveText(found, folder)
      if (screen) screen(`${shown}\n\nCtrl-C ends it.`)
      else console.log(`${new Date().toISOString()}\n${shown}`)
    }
  } catch (error) {
    // It shows until somebody has seen enough.
    if (!stopping.signal.aborted) throw error
  } finally {
    screen?.done()
    await folder.stop()
  }
}

const processOf = ({ owner }: Local) => ({ pid: owner!.pid, command: owner!.command })

function liveText({ name, events, users, edges }: Live, folder: Local): string {
  const rows = edges.map(({ from, to, perSecond, lag }) => [
    from,
    '→',
    to,
    perSecond === undefined ? '' : `${formatCount(perSecond)}/s`,
    lag === undefined ? '' : lag === 0 ? 'caught up' : `${formatCount(lag)} behind`,
  ])
  const { pid } = processOf(folder)
  return `topology ${name}, process ${pid}: ${formatCount(events)} events, ${formatCount(users)} users in memory\n${formatTable(rows)}`
}

function text({ name, nodes, edges, settings }: Drawing): string {
  const reached = new Set<string>()
  // A topic that two operators write to is followed once.
  const branch = (id: string, own: string, below: string): string[][] => {
    const { label, kind, remark = '' } = nodes.find((node) => node.id === id)!
    const row = [`${own}${label}`, kind, remark]
    if (reached.has(id)) return [row]
    reached.add(id)
    const next = edges.filter(({ from }) => from === id)
    return [
      row,
      ...next.flatMap(({ to }, i) =>
        i < next.length - 1 ? branch(to, `${below}├─ `, `${below}│  `) : branch(to, `${below}└─ `, `${below}   `),
      ),
    ]
  }
  const roots = nodes.filter(({ id }) => !edges.some(({ to }) => to === id)).flatMap(({ id }) => branch(id, '', ''))
  return [
    `topology ${name}`,
    '',
    formatTable(roots),
    '',
    'settings',
    formatTable(
      Object.entries(settings).map(([key, value]) => [`  ${key}`, typeof value === 'object' ? JSON.stringify(value) : String(value)]),
    ),
  ].join('\n')
}

const SHAPES: Readonly<Record<Drawing['nodes'][number]['kind'], readonly [string, string]>> = {
  topic: ['([', '])'],
  window: ['[[', ']]'],
  fold: ['[', ']'],
  step: ['>', ']'],
  table: ['[(', ')]'],
}

function mermaid({ nodes, edges }: Drawing): string {
  return [
    'flowchart LR',
    ...nodes.map(({ id, label, kind, remark }) => {
      const [open, close] = SHAPES[kind]
      return `  ${id}${open}"${[label, remark].filter(Boolean).join('<br/>').replaceAll('"', '#quot;')}"${close}`
    }),
    ...edges.map(({ from, to, label }) => `  ${from} -->${label ? `|${label}|` : ''} ${to}`),
  ].join('\n')
}
