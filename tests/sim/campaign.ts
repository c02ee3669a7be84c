// Many seeds: what they met, and whether that is enough to say anything; as lines for a terminal and as a page for docs/.
import { addCounts, type Count, type Counts, FAULTS, noCounts, notMet, PATHS } from './counts.ts'
import { type Cut, NO_CUT } from './cut.ts'
import { EVENTS_MIN } from './seed-settings.ts'
import { shrunkMessage } from './shrink.ts'
import { type Ground, SeedFailed, simulate } from './simulate.ts'
import { INVARIANTS } from './violation.ts'

export interface Campaign {
  from: number
  seeds: number
  counts: Counts
  seconds: number
  /** The messages of seeds that failed. */
  failures: string[]
  /** What was met too seldom. */
  missing: string[]
}

/** Of those that are run on both: every tenth seed is also run on Kafka, not in place of the embedded run. */
const KAFKA_EVERY = 10
const groundsOf = (seed: number, on: Ground | 'both'): Ground[] => {
  if (on !== 'both') return [on]
  return seed % KAFKA_EVERY === 0 ? ['embedded', 'kafka'] : ['embedded']
}

/** Runs the seeds one after the other; `onSeed` after each, and a failure ends it, after it was made smaller. `cut`: of the seeds. */
export async function campaign(
  from: number,
  seeds: number,
  onSeed: (done: number, counts: Counts) => void = () => undefined,
  cut: Cut = NO_CUT,
  on: Ground | 'both' = 'both',
): Promise<Campaign> {
  const counts = noCounts()
  const startedMs = performance.now()
  const failures: string[] = []
  let done = 0
  for (; done < seeds && failures.length === 0; done++) {
    try {
      for (const ground of groundsOf(from + done, on)) addCounts(counts, await simulate(from + done, {}, cut, ground))
    } catch (error) {
      const isWhole = error instanceof SeedFailed && cut === NO_CUT
      failures.push(isWhole ? await shrunkMessage(from + done, error) : (error as Error).message)
    }
    onSeed(done + 1, counts)
  }
  const seconds = (performance.now() - startedMs) / 1000
  return { from, seeds: done, counts, seconds, failures, missing: failures.length > 0 || on !== 'both' ? [] : notMet(counts, done) }
}

const table = (of: Record<string, readonly [string, number]>, counts: Counts) =>
  Object.entries(of).map(([name, [what]]) => `${String(counts[name as Count]).padStart(9)}  ${what}`)

/** For a terminal. */
export function summary({ counts, missing, failures }: Campaign): string[] {
  if (failures.length > 0) return failures
  return ['Faults:', ...table(FAULTS, counts), 'Ways back:', ...table(PATHS, counts), ...missing.map((text) => `TOO SELDOM: ${text}`)]
}

/** For docs/: the page of the last campaign that was run to its end. */
export function report({ from, seeds, counts, seconds }: Campaign): string {
  const rows = (of: Record<string, readonly [string, number]>) =>
    Object.entries(of).map(([name, [what]]) => `| ${what} | ${counts[name as Count].toLocaleString('en')} |`)
  return [
    '# What the simulator has met',
    '',
    `Seeds ${from} to ${from + seeds - 1}: ${seeds.toLocaleString('en')} runs of the engine in virtual time, each of at least ${EVENTS_MIN.toLocaleString('en')} events and three`,
    `faults, all with the right answer; ${(seeds / seconds).toFixed(1)} seeds per second on one core. What a run is: [proof.md](proof.md). Written by`,
    '`npm run simulate -- --seeds N --report docs/simulation.md`; any seed is run again by `npm run simulate -- --seeds 1 --from SEED`.',
    '',
    '| what went wrong on purpose | times |',
    '| --- | ---: |',
    ...rows(FAULTS),
    '',
    '| how the engine came back | times |',
    '| --- | ---: |',
    ...rows(PATHS),
    '',
    '| what held, asserted at every step or at the end of each run | |',
    '| --- | --- |',
    ...Object.entries(INVARIANTS).map(([name, what]) => `| \`${name}\` | ${what} |`),
    '',
  ].join('\n')
}
