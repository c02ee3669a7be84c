// `npm run torture -- --kills N [--seed S]`: kills processes at random and at chosen moments, N times, and compares what the stores hold
// after every few kills with the evaluator's answer. Prints how many kills fell into which moment; exit code 1 where an answer is wrong.
import { parseArgs } from 'node:util'
import { Random } from '../../services/traffic/random.ts'
import { MOMENTS } from './moments.ts'
import { type Aim, tortureRound } from './round.ts'

const { values } = parseArgs({ options: { kills: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' } } })
const wanted = Number(values.kills)
const seed = Number(values.seed)
if (!Number.isInteger(wanted) || wanted < 1 || !Number.isInteger(seed)) {
  console.error('usage: npm run torture -- [--kills N] [--seed S]: N kills (100), from seed S (1)')
  process.exit(2)
}

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
