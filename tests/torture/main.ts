// `npm run torture`: kills processes at random and at chosen moments, N times, and compares what the stores hold after every few kills with the evaluator's
// answer. Prints how many kills fell into which moment; exit code 1 where an answer is wrong. With --kafka: kafka/kafka-main.ts; with --soak: soak/soak-main.ts.
import { parseArgs } from 'node:util'
import { Random } from '../../services/traffic/random.ts'
import { kafkaTorture } from './kafka/kafka-main.ts'
import { MOMENTS } from './moments.ts'
import { type Aim, tortureRound } from './round.ts'
import { soakTorture } from './soak/soak-main.ts'

const HELP = `Usage: npm run torture -- [--kills N] [--seed S]
       npm run torture -- --kafka [--faults N] [--seed S] [--rate R] [--report FILE]
       npm run torture -- --soak MINUTES [--rate R] [--report FILE]

Kills real processes while they work, and compares what they leave with the batch evaluator's answer.

  --kills N      how many processes that import files into the embedded log are killed (100)
  --kafka        instead: three processes on a broker of their own, under load; processes and broker are killed, stopped and put to sleep, connections
                 are cut, held up and bring half of an answer, members come and go
  --faults N     how many of these (100)
  --soak MINUTES instead: one process under a steady load, with retention set to minutes; do its data folder, its memory and the latency of
                 incidents stay as they are? An answer takes 20 minutes at least, a good one an hour: a third is warm-up
  --rate R       events per second meanwhile (--kafka: 1000, --soak: 2000)
  --report FILE  writes what was done as a page of Markdown; --kafka: where all went well, --soak: however it went, with a plot beside it
  --seed S       which kills or faults come in which order (1)
  --help         this text

Examples:
  npm run torture -- --kills 1000 --seed 7
  npm run torture -- --kafka --faults 10
  npm run torture -- --kafka --report docs/torture.md
  npm run torture -- --soak 60 --report docs/soak.md

--kafka needs Java 17, and Maven the first time; --soak needs Linux. Exit code 1: an answer was wrong, something was not flat, or something broke; the
folder that is named then has all that is needed for a look. 2: wrong usage.`

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
for (const name of ['faults', 'rate', 'report'] as const)
  if (given[name] !== undefined) usage(`--${name} is ${name === 'faults' ? 'for --kafka' : 'for --kafka and --soak'}`)
const wanted = whole('kills', given.kills ?? '100', 1)

/** A third at random times, the rest at moments, more of those that a random time seldom meets. At first there is nothing to recover. */
function someAim(random: Random, first: boolean): Aim {
  if (random.chance(0.3)) return { afterMs: random.between(100, 5000) }
  const moment = random.pick([...MOMENTS, 'checkpoint', 'insert', 'recovery', 'recovery'] as const)
  return { moment: moment === 'recovery' && first ? 'checkpoint' : moment, nth: random.pick([1, 1, 1, 1, 2, 4]) }
}

const counts = Object.fromEntries(MOMENTS.map((moment) => [moment, 0]))
let kills = 0
let rounds = 0
let wrong = 0
while (kills < wanted) {
  const random = new Random(seed, ++rounds)
  const aims = Array.from({ length: Math.min(random.between(4, 12), wanted - kills) }, (_, i) => someAim(random, i === 0))
  try {
    const round = await tortureRound({ random, files: random.between(4, 12), eventsPerFile: random.pick([1000, 5000]), aims })
    kills += round.kills.length
    for (const moment of round.kills.flat()) counts[moment]++
    const { differences, events, sessions, incidents } = round.answer
    const found = differences.length === 0 ? 'right' : `WRONG, kept in ${round.folder}\n    ${differences.join('\n    ')}`
    if (differences.length > 0) wrong++
    console.log(`round ${rounds}: ${round.kills.length} kills, ${events} events, ${sessions} sessions, ${incidents} incidents: ${found}`)
  } catch (error) {
    // The folder is named in the message.
    wrong++
    console.log(`round ${rounds}: STOPPED: ${(error as Error).message}`)
  }
}
const fell = MOMENTS.map((moment) => `${moment} ${counts[moment]}`).join(', ')
console.log(`${kills} kills in ${rounds} rounds (one kill may fall into several moments: ${fell}); ${wrong} rounds wrong`)
process.exitCode = wrong === 0 ? 0 : 1
