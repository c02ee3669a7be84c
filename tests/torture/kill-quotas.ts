// At what a campaign of kills aims next, and when it has done enough: so many kills, and a tenth of them in each moment that must hold.
import type { Random } from '../../services/traffic/random.ts'
import { MOMENTS, type Moment } from './moments.ts'
import type { Aim } from './round.ts'

/** Where a process that dies can leave something by half. */
export const MUST: readonly Moment[] = ['commit', 'checkpoint', 'insert', 'recovery']
const SHARE = 0.1
/** A campaign that has killed so many times more than was wanted, and has not met them, ends without. */
const KILLS_MAX = 3
const AIMS_MAX = 12

export class KillQuotas {
  readonly counts: Record<Moment, number>
  kills = 0
  private readonly wanted: number

  constructor(wanted: number) {
    this.wanted = wanted
    this.counts = Object.fromEntries(MOMENTS.map((moment) => [moment, 0])) as Record<Moment, number>
  }

  /** By process: what it was doing when it was killed. */
  add(kills: readonly (readonly Moment[])[]): void {
    this.kills += kills.length
    for (const moment of kills.flat()) this.counts[moment]++
  }

  /** Moments that have not had their share of what was wanted, or of what has been done. */
  get missing(): Moment[] {
    return MUST.filter((moment) => this.counts[moment] < SHARE * Math.max(this.kills, this.wanted))
  }

  get isOver(): boolean {
    return this.kills >= this.wanted && (this.missing.length === 0 || this.kills >= KILLS_MAX * this.wanted)
  }

  /** For the processes of a round: of the kind that is left to do. */
  aims(random: Random): Aim[] {
    const left = this.wanted - this.kills
    const { missing } = this
    const length = left > 0 ? Math.min(random.between(4, AIMS_MAX), left) : Math.min(AIMS_MAX, missing.length + 1)
    return Array.from({ length }, (_, i) => {
      const aim = left > 0 ? someAim(random) : { moment: random.pick(missing), nth: 1 }
      // At first there is nothing to recover.
      return i === 0 && 'moment' in aim && aim.moment === 'recovery' ? { ...aim, moment: 'checkpoint' } : aim
    })
  }
}

/** A third at random times, the rest at moments, more of those that a random time seldom meets. */
function someAim(random: Random): Aim {
  if (random.chance(0.3)) return { afterMs: random.between(100, 5000) }
  return { moment: random.pick([...MOMENTS, 'checkpoint', 'insert', 'recovery', 'recovery']), nth: random.pick([1, 1, 1, 1, 2, 4]) }
}
