// What goes wrong in a torture on Kafka, drawn from a seed: each kind once, in another order each time, until there are enough. Owns no process and no broker.
import type { Random } from '../../../services/traffic/random.ts'

export const KINDS = ['kill', 'stop', 'sleep', 'zombie', 'broker-kill', 'broker-stop', 'cut', 'half', 'stall', 'rebalance'] as const
export type Kind = (typeof KINDS)[number]

/** In words, for whoever reads what was done. */
export const MEANING: Readonly<Record<Kind, string>> = {
  kill: 'kill -9 of a process; started again at once, or when others have its partitions',
  stop: 'SIGTERM to a process, started again',
  sleep: 'SIGSTOP of a process until others have its partitions, then SIGCONT',
  zombie: 'the same, stopped while its transaction was open',
  'broker-kill': 'kill -9 of the broker, started again',
  'broker-stop': 'SIGTERM to the broker, started again',
  cut: 'connections cut, by the piece, for a while',
  half: 'answers brought by half, and the connection cut, by the piece, for a while',
  stall: 'connections held up, up to longer than a session',
  rebalance: 'members that come and go in a burst, each a rebalance',
}

export interface Fault {
  kind: Kind
  /** Which process, where it is one's. */
  target: number
  /** Before it. */
  pauseMs: number
  /** It comes when all partitions are at work again; else in the middle of what the one before has left. */
  isCalm: boolean
  /** The one before need not be over. */
  overlaps: boolean
  /** kill: started again only when others have its partitions. */
  isLate: boolean
  /** cut, half, stall: how long, of how many pieces, and how long each is held up. */
  forMs: number
  chance: number
  stallMs: number
  /** rebalance: members. */
  members: number
}

/** `of`: the kinds to draw from. */
export function planFaults(random: Random, count: number, processes: number, of: readonly Kind[] = KINDS): Fault[] {
  const plan: Fault[] = []
  let deck: Kind[] = []
  while (plan.length < count) {
    if (deck.length === 0) deck = shuffled(random, of)
    plan.push({
      kind: deck.pop()!,
      target: random.below(processes),
      pauseMs: random.between(0, 1500),
      isCalm: random.chance(0.5),
      overlaps: random.chance(0.35),
      isLate: random.chance(0.5),
      forMs: random.between(300, 3000),
      chance: random.pick([0.02, 0.1, 1]),
      stallMs: random.pick([200, 2000, 8000]),
      members: random.between(3, 6),
    })
  }
  return plan
}

const OF_THE_BROKER: ReadonlySet<Kind> = new Set(['broker-kill', 'broker-stop'])
const OF_THE_WAY: ReadonlySet<Kind> = new Set(['cut', 'half', 'stall'])
/** These look at the broker or wait for a clean end. */
const ALONE: ReadonlySet<Kind> = new Set(['stop', 'zombie', 'rebalance'])

/** Whether two may be under way at once. */
export function mayOverlap(a: Fault, b: Fault): boolean {
  if (ALONE.has(a.kind) || ALONE.has(b.kind)) return false
  if (OF_THE_BROKER.has(a.kind) && OF_THE_BROKER.has(b.kind)) return false
  if (OF_THE_WAY.has(a.kind) && OF_THE_WAY.has(b.kind)) return false
  const areProcesses = [a, b].every(({ kind }) => kind === 'kill' || kind === 'sleep')
  return !areProcesses || a.target !== b.target
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const left = [...items]
  return Array.from({ length: left.length }, () => left.splice(random.below(left.length), 1)[0])
}
