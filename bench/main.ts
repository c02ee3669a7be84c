// npm run bench -- QUESTION: measures now and prints the figures. Owns the command line and what is saved; each question is a file beside this one.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { exactlyOnce } from './exactly-once.ts'
import { cacheFolder } from './harness/cache.ts'
import { chart } from './harness/chart.ts'
import { figuresPage } from './harness/figures-page.ts'
import { asTable, type Question, type Report, report } from './harness/report.ts'
import { type Kept, results } from './harness/results.ts'
import { scaleChart } from './harness/scale-chart.ts'
import { sweepChart } from './harness/sweep-chart.ts'
import { importFile } from './import.ts'
import { ingest } from './ingest.ts'
import { isolation } from './isolation.ts'
import { kafka } from './kafka.ts'
import { kafkaLatency } from './kafka-latency.ts'
import { kafkaLog } from './kafka-log.ts'
import { kafkaRestart } from './kafka-restart.ts'
import { kafkaRestore } from './kafka-restore.ts'
import { lane } from './lane.ts'
import { lanes } from './lanes.ts'
import { latency } from './latency.ts'
import { memory } from './memory.ts'
import { nexmark } from './nexmark.ts'
import { operators } from './operators.ts'
import { pause } from './pause.ts'
import { recovery } from './recovery.ts'
import { scale } from './scale.ts'
import { scan } from './scan.ts'
import { startup } from './startup.ts'
import { stores } from './stores.ts'
import { sweep } from './sweep.ts'

export const questions: readonly Question[] = [
  lane,
  lanes,
  importFile,
  ingest,
  exactlyOnce,
  operators,
  nexmark,
  scan,
  stores,
  startup,
  sweep,
  memory,
  latency,
  recovery,
  pause,
  isolation,
  scale,
  kafkaLog,
  kafka,
  kafkaRestart,
  kafkaRestore,
  kafkaLatency,
]

export interface MainOptions {
  known?: readonly Question[]
  /** Where results are kept and the charts are drawn. */
  kept?: Kept
}

const help = `Usage: npm run bench -- <question…|all> [options]
       npm run bench -- chart

Measures now and prints the figures; ends with 1 where one is out of its bounds. What each measures, and what not: bench/METHOD.md.

Questions:
${questions.map(({ name, asks }) => `  ${name.padEnd(14)}${asks}`).join('\n')}
  ${'all'.padEnd(14)}all of these, one after the other
  ${'chart'.padEnd(14)}measures nothing: draws docs/figures.svg, docs/figures.md and docs/sweep.svg from the results that were saved

Options:
  --quick       smaller sizes, which are printed, under 50 s each; the bounds stay
  --json        print JSON, a line per question: { question, commit, machine, figures: [{ name, value, unit, atLeast | atMost, holds }] }
  --save        keep the result in bench/results and draw the charts anew
  -h, --help    this text

Examples:
  npm run bench -- lane --quick          # one question, in less than a minute
  npm run bench -- lane lanes            # two, one after the other
  npm run --silent bench -- lane --json  # for programs
  npm run bench -- all --save            # everything as it is in the README; an otherwise idle machine, please`

/** Returns the exit code: 0; 1 where a figure does not hold or a question could not be answered; 2 where the command line is wrong. */
export async function main(args: string[], { known = questions, kept = results }: MainOptions = {}): Promise<number> {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(args)
  } catch (error) {
    return usage((error as Error).message)
  }
  const { values, positionals } = parsed
  if (values.help) {
    console.log(help)
    return 0
  }
  if (positionals.length === 0) return usage('Which question?')
  if (positionals.includes('chart')) {
    if (args.length > 1) return usage('chart goes alone: it measures nothing')
    return chartOf(kept, known)
  }
  const unknown = positionals.find((name) => name !== 'all' && !known.some((question) => question.name === name))
  if (unknown !== undefined)
    return usage(`No question is named ${unknown}. There are ${known.map(({ name }) => name).join(', ')}, all and chart.`)
  let code = 0
  const asked = positionals.includes('all') ? known : known.filter(({ name }) => positionals.includes(name))
  for (const [at, question] of asked.entries()) {
    const startMs = performance.now()
    if (asked.length > 1) console.error(`${at + 1} of ${asked.length}: ${question.name}`)
    try {
      const result = await ask(question, values.quick)
      if (!result.figures.every(({ holds }) => holds)) code = 1
      console.log(values.json ? JSON.stringify(result) : asTable(result))
      if (values.save) kept.save(result, values.quick)
    } catch (error) {
      // The others can still be answered.
      console.error(`${question.name} could not be measured: ${(error as Error).stack}`)
      code = 1
    }
    if (asked.length > 1) console.error(`  ${question.name}: took ${((performance.now() - startMs) / 1000).toFixed(0)} s`)
  }
  if (values.save) return Math.max(code, chartOf(kept, known))
  return code
}

function usage(problem: string): number {
  console.error(`${problem}\n\n${help}`)
  return 2
}

function chartOf(kept: Kept, known: readonly Question[]): number {
  const all = kept.read()
  if (all.length === 0) {
    console.error('No results are saved: npm run bench -- all --save makes them.')
    return 1
  }
  const swept = all.find(({ question }) => question === sweep.name)
  const scaled = all.find(({ question }) => question === scale.name)
  const others = all.filter((result) => result !== swept)
  const draw = (path: string, svg: string) => {
    writeFileSync(path, svg)
    console.error(`drawn: ${path}`)
  }
  if (others.length > 0) draw(kept.chart, chart(others))
  if (swept) draw(kept.sweepChart, sweepChart(swept))
  if (scaled) draw(kept.scaleChart, scaleChart(scaled))
  draw(kept.page, figuresPage(all, known))
  return 0
}

const parse = (args: string[]) =>
  parseArgs({
    args,
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })

async function ask(question: Question, quick: boolean): Promise<Report> {
  mkdirSync(cacheFolder, { recursive: true })
  // On the disk of the inputs, whose files rounds link.
  const folder = mkdtempSync(join(cacheFolder, `run-${question.name}-`))
  // A measurement that is interrupted leaves gigabytes otherwise.
  const remove = () => rmSync(folder, { recursive: true, force: true })
  const interrupted = () => process.exit(130)
  process.once('exit', remove).once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    const figures = await question.run({ quick, folder, note: (text) => console.error(`  ${question.name}: ${text}`) })
    return report(question.name, figures)
  } finally {
    process.off('exit', remove).off('SIGINT', interrupted).off('SIGTERM', interrupted)
    remove()
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
