// `npm run simulate`: many simulated runs; the first that fails ends it with exit code 1, what is left of it when it was made smaller, and its rerun lines.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { campaign, report, summary } from './campaign.ts'
import { cutOf, NO_CUT } from './cut.ts'
import { findPlanted } from './planted/find-planted.ts'
import { plantedBugs } from './planted/planted.ts'

const HELP = `Usage: npm run simulate -- [--seeds N] [--from M] [--report FILE] [--planted] [--kafka] [--cut CUT]

Runs the engine in virtual time, once per seed, while processes are killed at any step, disks lose and tear writes, inserts time out after
they were applied, two owners are at work at once …; and compares what the tables hold with the batch evaluator's answer.

  --seeds N      how many seeds (50)
  --from M       the first one (1)
  --report FILE  where all went well: writes what was met as a page of Markdown
  --planted      looks for each planted bug instead (tests/sim/planted), from seed 1 on to the N-th, and says which seed finds it, and as what
  --kafka        each seed on the simulated Kafka only; without it every tenth is run there, too
  --cut CUT      of each seed only what a failed one was reduced to, as its message says it: events=250,lives=2,without=outages+17
  --help         this text

Exit code 1: a seed failed (it is made smaller for up to a minute, and printed with what had gone wrong and the line that runs it again), or some kind of fault or of recovery
was met too seldom for that many seeds. 2: wrong usage.`

function usage(message: string): never {
  console.error(`simulate: ${message}\n\n${HELP}`)
  process.exit(2)
}

function options() {
  try {
    const string = { type: 'string' } as const
    return parseArgs({
      options: {
        seeds: string,
        from: string,
        report: string,
        cut: string,
        planted: { type: 'boolean' },
        kafka: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values
  } catch (error) {
    return usage((error as Error).message)
  }
}

const given = options()
if (given.help) {
  console.log(HELP)
  process.exit(0)
}
const [seeds, from] = [Number(given.seeds ?? 50), Number(given.from ?? 1)]
if (!Number.isInteger(seeds) || seeds < 1 || !Number.isInteger(from)) usage('--seeds takes a whole number from 1 on, --from a whole number')
const cut = given.cut === undefined ? NO_CUT : cutOf(given.cut)
if (!cut) usage('--cut takes what the message of a failed seed says')

if (given.planted) {
  let missed = 0
  for (const bug of plantedBugs) {
    if (given.kafka && bug.ground !== 'kafka') continue
    const found = await findPlanted(bug, from, seeds)
    if (!found) missed++
    console.log(`rule ${bug.rule}, ${bug.bug}: ${found ? `seed ${found.seed}, ${found.as}` : `NOT FOUND by ${seeds} seeds`}`)
  }
  process.exit(missed === 0 ? 0 : 1)
}

const EVERY_MS = process.stderr.isTTY ? 500 : 30_000
const startedMs = performance.now()
let toldMs = startedMs
const ran = await campaign(
  from,
  seeds,
  (done, { kills }) => {
    const nowMs = performance.now()
    if (nowMs - toldMs < EVERY_MS) return
    toldMs = nowMs
    const perSecond = (done * 1000) / (nowMs - startedMs)
    const leftMin = Math.ceil((seeds - done) / perSecond / 60)
    process.stderr.write(
      `${process.stderr.isTTY ? '\r\x1b[K' : ''}${done} of ${seeds} seeds, ${perSecond.toFixed(1)} per second, ${kills} kills, about ${leftMin} min left${process.stderr.isTTY ? '' : '\n'}`,
    )
  },
  cut,
  given.kafka ? 'kafka' : cut === NO_CUT ? 'both' : 'embedded',
)
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
for (const line of summary(ran)) console.log(line)
const isClean = ran.failures.length === 0 && ran.missing.length === 0
const pace = `${(ran.seeds / ran.seconds).toFixed(1)} seeds per second`
console.log(isClean ? `${seeds} seeds from ${from} on: the answers are right (${pace}).` : `Not right after ${ran.seeds} seeds (${pace}).`)
if (isClean && given.report !== undefined) writeFileSync(given.report, report(ran))
process.exitCode = isClean ? 0 : 1
