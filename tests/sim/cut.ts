// What of a seed's run is left out, as data and as one word of a command line: `events=250,lives=2,without=outages+diskFull+17`.
import { FAULTS } from './counts.ts'

export interface Cut {
  /** The first ones. */
  events: number
  /** That end otherwise than the last one. */
  lives: number
  /** Kinds of faults, and single ones by their number in the run. */
  without: ReadonlySet<string>
}

export const NO_CUT: Cut = { events: Number.POSITIVE_INFINITY, lives: Number.POSITIVE_INFINITY, without: new Set() }

export const cutText = ({ events, lives, without }: Cut): string =>
  [
    ...(Number.isFinite(events) ? [`events=${events}`] : []),
    ...(Number.isFinite(lives) ? [`lives=${lives}`] : []),
    ...(without.size > 0 ? [`without=${[...without].join('+')}`] : []),
  ].join(',')

/** Undefined where it is none. */
export function cutOf(text: string): Cut | undefined {
  const cut = { ...NO_CUT }
  for (const part of text.split(',')) {
    const [name, value = ''] = part.split('=')
    if ((name === 'events' || name === 'lives') && /^\d+$/.test(value)) cut[name] = Number(value)
    else if (name === 'without' && value.split('+').every((one) => /^\d+$/.test(one) || one in FAULTS))
      cut.without = new Set(value.split('+'))
    else return undefined
  }
  return cut
}
