// At what a campaign of kills aims next, and when it has done enough: so many kills, a tenth of them in each moment that must hold; and of what else must be
// met a few.
import type { Random } from '../../services/traffic/random.ts'
import { MOMENTS, type Moment } from './moments.ts'
import type { Aim, Done } from './round.ts'

/** Where a process that dies can leave something by half. */
export const MUST: readonly Moment[] = ['commit', 'checkpoint', 'insert', 'recovery']
const SHARE = 0.1
/** Beside moments (round.ts): for each hundred kills so many, and one at least. */
export const ALSO = ['held', 'twice'] as const
type Also = (typeof ALSO)[number]
const ALSO_SHARE = 0.03
/** A process is held where it has its folder for certain, and which each one comes to. */
const HELD_AT: readonly Moment[] = ['import', 'commit', 'checkpoint', 'insert']
/** A campaign that has killed so many times more than was wanted, and has not met them, ends without. */
const KILLS_MAX = 3
const AIMS_MAX = 12

export class KillQuotas {
  readonly counts: Record<Moment, number>
  readonly also: Record<Also, number> = { held: 0, twice: 0 }
  kills = 0
  private readonly wanted: number

  constructor(wanted: number) {
    this.wanted = wanted
    this.counts = Object.fromEntries(MOMENTS.map((moment) => [moment, 0])) as Record<Moment, number>
  }

  add({ kills, held, twice }: Done): void {
    this.kills += kills.length
    for (const moment of kills.flat()) this.counts[moment]++
    this.also.held += held
    this.also.twice += twice
  }

  /** What has not had its share of what was wanted, or of what has been done. */
  get missing(): (Moment | Also)[] {
    const kills = Math.max(this.kills, this.wanted)
    return [
      ...MUST.filter((moment) => this.counts[moment] < SHARE * kills),
      ...ALSO.filter((what) => this.also[what] < Math.ceil(ALSO_SHARE * kills)),
    ]
  }

  get isOver(): boolean {
    return this.kills >= this.wanted && (this.missing.length === 0 || this.kills >= KILLS_MAX * this.wanted)
  }

  /** For a round: of the kind that is left to do. */
  aims(random: Random): Aim[] {
    const left = this.wanted - this.kills
    const { missing } = this
    const length = left > 0 ? Math.min(random.between(4, AIMS_MAX), left) : Math.min(AIMS_MAX, missing.length + 1)
    return Array.from({ length }, (_, i) => {
      const aim = left > 0 ? someAim(random) : aimAt(random.pick(missing), random)
      // At first there is nothing to recover.
      return i === 0 && 'moment' in aim && aim.moment === 'recovery' ? { ...aim, moment: 'checkpoint' } : aim
    })
  }
}

function aimAt(what: Moment | Also, random: Random): Aim {
  if (what === 'twice') return { afterMs: random.between(50, 800) }
  return what === 'held' ? { moment: random.pick(HELD_AT), nth: 1, held: true } : { moment: what, nth: 1 }
}

/** A third at random times, some of them soon; now and then one is held; the rest at moments, more of those that a random time seldom meets. */
function someAim(random: Random): Aim {
  if (random.chance(0.3)) return random.chance(0.3) ? aimAt('twice', random) : { afterMs: random.between(100, 5000) }
  if (random.chance(0.1)) return aimAt('held', random)
  return { moment: random.pick([...MOMENTS, 'checkpoint', 'insert', 'recovery', 'recovery']), nth: random.pick([1, 1, 1, 1, 2, 4]) }
}
