// Seeded disturbances of a log in order: lines out of place, lines twice, lines delayed. For tests; the input is left as it is.
import { Random } from '../../services/traffic/random.ts'

/** Shuffles items inside windows of event time: an item never comes behind one that is windowMs or more younger. */
export function shuffleWithin<T>(items: readonly T[], timeOf: (item: T) => number, windowMs: number, seed: number): T[] {
  const random = new Random(seed)
  const out: T[] = []
  for (let from = 0; from < items.length; ) {
    let to = from
    while (to < items.length && timeOf(items[to]) - timeOf(items[from]) < windowMs) to++
    const window = items.slice(from, to)
    for (let i = window.length - 1; i > 0; i--) {
      const j = random.below(i + 1)
      ;[window[i], window[j]] = [window[j], window[i]]
    }
    out.push(...window)
    from = to
  }
  return out
}

/** Puts a share of the items in once more, 1 … distanceMax places after the first. */
export function withDuplicates<T>(items: readonly T[], share: number, distanceMax: number, seed: number): T[] {
  const random = new Random(seed)
  const after: T[][] = []
  items.forEach((item, at) => {
    if (random.chance(share)) (after[Math.min(items.length - 1, at + random.between(1, distanceMax))] ??= []).push(item)
  })
  return items.flatMap((item, at) => [item, ...(after[at] ?? [])])
}

/** Delays a share of the items behind the last one that is less than delayMs younger. */
export function withDelays<T>(items: readonly T[], timeOf: (item: T) => number, share: number, delayMs: number, seed: number): T[] {
  const random = new Random(seed)
  const delayed: { item: T; until: number }[] = []
  const out: T[] = []
  for (const item of items) {
    while (delayed.length > 0 && delayed[0].until <= timeOf(item)) out.push(delayed.shift()!.item)
    if (random.chance(share)) delayed.push({ item, until: timeOf(item) + delayMs })
    else out.push(item)
  }
  return [...out, ...delayed.map(({ item }) => item)]
}
