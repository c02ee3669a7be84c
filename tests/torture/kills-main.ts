// `npm run torture -- --kills N`: rounds until there were N kills, a tenth of them in each moment that must be met, and enough of what else must be; says each
// round, and how it ended. Exit code 1 where an answer is wrong, something broke, or one of these was not met.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { Random } from '../../services/traffic/random.ts'
import { KillQuotas } from './kill-quotas.ts'
import { type KillsDone, killsReport } from './kills-report.ts'
import { MOMENTS } from './moments.ts'
import { withSection } from './report-page.ts'
import { tortureRound } from './round.ts'

export interface KillsOptions {
  seed: number
  kills: number
  /** Where all went well: a section of this page. */
  report?: string
}

export async function killsTorture({ seed, kills: wanted, report }: KillsOptions): Promise<void> {
  const quotas = new KillQuotas(wanted)
  const done: KillsDone = { seed, wanted, quotas, rounds: 0, events: 0, sessions: 0, incidents: 0 }
  let wrong = 0
  while (!quotas.isOver && wrong < WRONG_MAX) {
    const random = new Random(seed, ++done.rounds)
    const aims = quotas.aims(random)
    try {
      const round = await tortureRound({ random, files: random.between(4, 12), eventsPerFile: random.pick([1000, 5000]), aims })
      quotas.add(round)
      const { differences, events, sessions, incidents } = round.answer
      done.events += events
      done.sessions += sessions
      done.incidents += incidents
      const found = differences.length === 0 ? 'right' : `WRONG, kept in ${round.folder}\n    ${differences.join('\n    ')}`
      if (differences.length > 0) wrong++
      console.log(
        `round ${done.rounds}: ${round.kills.length} kills (${round.twice} twice), ${round.held} held, ${events} events, ${sessions} sessions, ${incidents} incidents: ${found}`,
      )
    } catch (error) {
      // The folder is named in the message.
      wrong++
      console.log(`round ${done.rounds}: STOPPED: ${(error as Error).message}`)
    }
  }
  const fell = MOMENTS.map((moment) => `${moment} ${quotas.counts[moment]}`).join(', ')
  console.log(`${quotas.kills} kills in ${done.rounds} rounds (one kill may fall into several moments: ${fell}); ${wrong} rounds wrong`)
  console.log(`held while a second process was refused: ${quotas.also.held}; killed twice within a second: ${quotas.also.twice}`)
  const { missing } = quotas
  if (missing.length > 0) console.log(`too few of: ${missing.join(', ')}`)
  process.exitCode = wrong === 0 && missing.length === 0 ? 0 : 1
  if (process.exitCode === 0 && report !== undefined)
    writeFileSync(report, withSection(existsSync(report) ? readFileSync(report, 'utf8') : '', 'On the embedded log', killsReport(done)))
}

/** What breaks in each round breaks before the first kill. */
const WRONG_MAX = 20
