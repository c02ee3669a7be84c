// packmill topology: a topology as its readers need it: text for people, JSON for programs, Mermaid for pages. Draws the same value that runs.
import { type Command, Option } from 'commander'
import type { Topology } from '../../engine/index.ts'
import { clickstreamSettings } from '../../services/process/embedded.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import { addDataOptions, addExamples, type DataOptions, resolveConfig } from '../common-options.ts'
import { formatTable } from '../print.ts'
import { type Drawing, drawing } from '../topology-drawing.ts'

interface DescribeOptions extends DataOptions {
  format: 'text' | 'json' | 'mermaid'
  json?: boolean
}

const topologies: Readonly<Record<string, (options: DataOptions) => Promise<Topology>>> = {
  clickstream: async (options) => clickstream(clickstreamSettings((await resolveConfig(options)).config)),
}

export function topology(command: Command): void {
  command.usage('describe [options] <name>')
  const describe = command.command('describe').description('print the graph of a topology, with the settings that are in force')
  describe
    .argument('<name>', `which: ${Object.keys(topologies).join(', ')}`)
    .addOption(new Option('--format <format>', 'how').choices(['text', 'json', 'mermaid']).default('text'))
    .option('--json', 'the same as --format json')
    .action(run)
    .exitOverride()
  const examples = [
    ['packmill topology describe clickstream', 'topics, operators, tables'],
    ['packmill topology describe clickstream --format mermaid', 'a graph for a page in Markdown'],
    ['packmill topology describe clickstream --format json', 'for programs'],
  ] as const
  addExamples(command, examples)
  addExamples(addDataOptions(describe), examples)
}

async function run(name: string, options: DescribeOptions, command: Command): Promise<void> {
  const make = topologies[name]
  if (!make) return command.error(`error: there is no topology ${name}; there is ${Object.keys(topologies).join(', ')}`)
  const drawn = drawing(await make(options))
  const format = options.json ? 'json' : options.format
  console.log(format === 'json' ? JSON.stringify(drawn, null, 2) : format === 'mermaid' ? mermaid(drawn) : text(drawn))
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
  table: ['[(', ')]'],
}

function mermaid({ nodes, edges }: Drawing): string {
  return [
    'flowchart LR',
    ...nodes.map(({ id, label, kind, remark }) => {
      const [open, close] = SHAPES[kind]
      return `  ${id}${open}"${[label, remark].filter(Boolean).join('<br/>')}"${close}`
    }),
    ...edges.map(({ from, to, label }) => `  ${from} -->${label ? `|${label}|` : ''} ${to}`),
  ].join('\n')
}
