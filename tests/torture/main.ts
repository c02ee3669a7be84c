// `npm run torture`: reads the command line. With --kills: kills-main.ts; with --kafka: kafka/kafka-main.ts; with --soak: soak/soak-main.ts.
import { parseArgs } from 'node:util'
import { kafkaTorture } from './kafka/kafka-main.ts'
import { killsTorture } from './kills-main.ts'
import { soakTorture } from './soak/soak-main.ts'

const HELP = `Usage: npm run torture -- [--kills N] [--seed S] [--report FILE]
       npm run torture -- --kafka [--faults N] [--seed S] [--rate R] [--report FILE]
       npm run torture -- --soak MINUTES [--rate R] [--report FILE]

Kills real processes while they work, and compares what they leave with the batch evaluator's answer.

  --kills N      how many processes that import files into the embedded log are killed (100); more, until a tenth of the kills fell each into a commit,
                 a checkpoint, an insert and a recovery, some came within a second of a start after another, and some processes were stopped while
                 a second one was refused
  --kafka        instead: three processes on a broker of their own, under load; processes and broker are killed, stopped and put to sleep, connections
                 are cut, held up and bring half of an answer, members come and go
  --faults N     how many of these (100)
  --soak MINUTES instead: one process under a steady load, with retention set to minutes; do its data folder, its memory and the latency of
                 incidents stay as they are? An answer takes 20 minutes at least, a good one an hour: a third is warm-up
  --rate R       events per second meanwhile (--kafka: 1000, --soak: 2000)
  --report FILE  writes what was done as Markdown: where all went well a section of the page (--kills, --kafka); --soak: however it went, with a plot beside it
  --seed S       which kills or faults come in which order (1)
  --help         this text

Examples:
  npm run torture -- --kills 1000 --seed 7
  npm run torture -- --kills 100 --report docs/torture.md
  npm run torture -- --kafka --faults 10
  npm run torture -- --kafka --report docs/torture.md
  npm run torture -- --soak 60 --report docs/soak.md

--kafka needs Java 17, and Maven the first time; --soak needs Linux. Exit code 1: an answer was wrong, something was not flat, something broke (the folder
that is named then has all that is needed for a look), or there were too few of those after three times as many kills as were wanted. 2: wrong usage.`

function usage(message: string): never {
  console.error(`torture: ${message}\n\n${HELP}`)
  process.exit(2)
}

function options() {
  try {
    const string = { type: 'string' } as const
    const boolean = { type: 'boolean' } as const
    return parseArgs({
      options: { kills: string, seed: string, kafka: boolean, faults: string, soak: string, rate: string, report: string, help: boolean },
    }).values
  } catch (error) {
    return usage((error as Error).message)
  }
}

function whole(name: string, text: string, least: number): number {
  const number = Number(text)
  return Number.isInteger(number) && number >= least ? number : usage(`--${name} takes a whole number from ${least} on`)
}

const given = options()
if (given.help) {
  console.log(HELP)
  process.exit(0)
}
const seed = whole('seed', given.seed ?? '1', 0)
if (given.soak !== undefined) {
  for (const name of ['kafka', 'kills', 'faults', 'seed'] as const) if (given[name] !== undefined) usage(`--${name} is not for --soak`)
  await soakTorture({ minutes: whole('soak', given.soak, 1), rate: whole('rate', given.rate ?? '2000', 20), report: given.report })
}
if (given.kafka) {
  if (given.kills !== undefined) usage('--kills is not for --kafka; --faults is')
  await kafkaTorture({
    seed,
    faults: whole('faults', given.faults ?? '100', 1),
    rate: whole('rate', given.rate ?? '1000', 20),
    report: given.report,
  })
}
for (const name of ['faults', 'rate'] as const)
  if (given[name] !== undefined) usage(`--${name} is ${name === 'faults' ? 'for --kafka' : 'for --kafka and --soak'}`)
const wanted = whole('kills', given.kills ?? '100', 1)
await killsTorture({ seed, kills: wanted, report: given.report })
