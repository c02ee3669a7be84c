// A failing seed is made smaller: shown with planted bugs, as the engine has none that is known.
import { expect, test } from 'vitest'
import { cutOf, cutText, NO_CUT } from './cut.ts'
import { plantedBugs } from './planted/planted.ts'
import { shrink, shrunkMessage } from './shrink.ts'
import { SeedFailed, simulate } from './simulate.ts'

const bug = plantedBugs.find(({ rule }) => rule === 27)!

/** The first seed from which the bug is found with many faults. */
async function failure(): Promise<{ seed: number; failed: SeedFailed }> {
  for (let seed = 1; ; seed++) {
    const failed = await failureOf(seed)
    if (failed && failed.faults.length >= 6) return { seed, failed }
    if (seed === 50) throw new Error('not found')
  }
}

const failureOf = (seed: number, cut = NO_CUT) =>
  simulate(seed, bug.make(), cut).then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof SeedFailed) return error
      throw error
    },
  )

test('to fewer events and faults that break the same invariant, which its line runs again', async () => {
  const { seed, failed } = await failure()
  const bounds = { runs: 150, ms: Number.POSITIVE_INFINITY }
  const small = await shrink(seed, failed, bug.make, bounds)
  expect(small.violation.invariant).toBe(failed.violation.invariant)
  expect(small.events).toBeLessThan(failed.events / 4)
  expect(small.faults.length).toBeLessThan(failed.faults.length / 2)
  expect(small.message.split('\n').length).toBeLessThan(90)
  const line = /Again: npm run simulate -- --seeds 1 --from (\d+) --cut (\S+)$/m.exec(small.message)!
  expect(Number(line[1])).toBe(seed)
  const again = await failureOf(seed, cutOf(line[2])!)
  expect(again!.message).toBe(small.message)
  // The same seed is reduced to the same.
  expect(await shrunkMessage(seed, failed, bug.make, bounds)).toBe(
    `${small.message}\nThat is what is left of ${failed.events} events and ${failed.faults.length} faults. All of it: npm run simulate -- --seeds 1 --from ${seed}`,
  )
}, 120_000)

test('within its bounds: of runs, and of time', async () => {
  const { seed, failed } = await failure()
  expect(await shrink(seed, failed, bug.make, { runs: 0, ms: 1000 })).toBe(failed)
  let nowMs = 0
  let made = 0
  const make = () => {
    made++
    nowMs += 400
    return bug.make()
  }
  await shrink(seed, failed, make, { runs: 1000, ms: 1000, nowMs: () => nowMs })
  expect(made).toBe(3)
  expect(await shrunkMessage(seed, failed, bug.make, { runs: 0, ms: 0 })).toBe(failed.message)
})

test('a cut is one word, and comes back from it', () => {
  const cut = { events: 12, lives: 0, without: new Set(['outages', '17']) }
  expect(cutText(cut)).toBe('events=12,lives=0,without=outages+17')
  expect(cutOf(cutText(cut))).toEqual(cut)
  for (const text of ['', 'events', 'events=x', 'faults=1', 'without=', 'without=sunshine']) expect(cutOf(text)).toBeUndefined()
})
