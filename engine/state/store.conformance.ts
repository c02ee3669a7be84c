// The state store's contract as tests: every implementation passes it unchanged. The property at the end compares any sequence of steps
// with a plain Map: what the last finished checkpoint says, and nothing else, after every step.
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OpenCheckpoint, StateStore } from './store.ts'

export interface StateStoreUnderTest {
  /** A new process opens the store; whatever was open before was closed or is dead. */
  open(): Promise<StateStore>
  /** The process is killed (the machine loses power, where that can be simulated): calls under way may never settle. */
  crash(seed: number): Promise<void>
  dispose(): Promise<void>
}

const key = (n: number): Uint8Array => Buffer.from(`org:product:user-${n}`)
const value = (text: string): Uint8Array => Buffer.from(text)
const textOf = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString()

/** Of each key its index value. */
function all(store: StateStore): Map<string, string> {
  const found = new Map<string, string>()
  for (const [k, index] of store.entries()) {
    expect(found.has(textOf(k)!)).toBe(false)
    found.set(textOf(k)!, textOf(index)!)
  }
  return found
}

async function settle(store: StateStore): Promise<void> {
  while (await store.maintain());
}

export function stateStoreConformance(name: string, makeStore: () => Promise<StateStoreUnderTest>, runs = 100): void {
  describe(`${name} keeps the state store's contract`, () => {
    let under: StateStoreUnderTest
    let store: StateStore
    beforeEach(async () => {
      under = await makeStore()
      store = await under.open()
    })
    afterEach(async () => {
      await store.close()
      await under.dispose()
    })
    const reopen = async () => {
      await store.close()
      store = await under.open()
    }

    it('a new store has no header and no key', () => {
      expect(store.header).toBeUndefined()
      expect(store.get(key(1))).toBeUndefined()
      expect(all(store).size).toBe(0)
    })

    it('1, 4: a checkpoint is seen when it has finished, not before, and after a reopening', async () => {
      const checkpoint = store.begin({ epoch: 5, to: 77, counters: { late: 1 } })
      checkpoint.put(key(1), value('one'), value('timer'))
      await checkpoint.flush()
      expect(store.get(key(1))).toBeUndefined()
      expect(store.header).toBeUndefined()
      await checkpoint.finish()
      for (let round = 0; round < 2; round++) {
        expect(store.header).toEqual({ epoch: 5, to: 77, counters: { late: 1 } })
        expect(textOf(store.get(key(1)))).toBe('one')
        expect(store.get(key(2))).toBeUndefined()
        expect([...all(store)]).toEqual([['org:product:user-1', 'timer']])
        await reopen()
      }
    })

    it('1: a checkpoint that was not finished is as if it had never been begun', async () => {
      const first = store.begin({ epoch: 1 })
      first.put(key(1), value('one'), value('i'))
      await first.finish()
      const second = store.begin({ epoch: 2 })
      second.put(key(1), value('two'), value('i'))
      second.delete(key(1))
      await second.flush()
      await under.crash(7)
      store = await under.open()
      expect(store.header).toEqual({ epoch: 1 })
      expect(textOf(store.get(key(1)))).toBe('one')
    })

    it('1: an aborted checkpoint leaves nothing, and the same epoch can be begun again', async () => {
      const aborted = store.begin({ epoch: 3 })
      aborted.put(key(1), value('wrong'), value('i'))
      await aborted.flush()
      await aborted.abort()
      expect(store.get(key(1))).toBeUndefined()
      const again = store.begin({ epoch: 3 })
      again.put(key(2), value('right'), value('i'))
      await again.finish()
      await reopen()
      expect(store.get(key(1))).toBeUndefined()
      expect(textOf(store.get(key(2)))).toBe('right')
    })

    it('2: a second checkpoint cannot be begun while one is open', async () => {
      const open = store.begin({ epoch: 1 })
      expect(() => store.begin({ epoch: 2 })).toThrow('open already')
      await open.abort()
    })

    it('4: a deleted key is absent, before and after the store has settled', async () => {
      for (const epoch of [1, 2]) {
        const checkpoint = store.begin({ epoch })
        if (epoch === 1) checkpoint.put(key(1), value('one'), value('i'))
        else checkpoint.delete(key(1))
        await checkpoint.finish()
        if (epoch === 1) await settle(store)
      }
      expect(store.get(key(1))).toBeUndefined()
      await settle(store)
      await reopen()
      expect(store.get(key(1))).toBeUndefined()
      expect(all(store).size).toBe(0)
    })

    it('empty values, empty index values and long keys are what they were', async () => {
      const long = Buffer.alloc(1500, 'k')
      const checkpoint = store.begin({ epoch: 1 })
      checkpoint.put(long, value('long'), value(''))
      checkpoint.put(key(1), value(''), value('i'))
      await checkpoint.finish()
      await settle(store)
      expect(textOf(store.get(long))).toBe('long')
      expect(store.get(key(1))).toHaveLength(0)
      expect(all(store)).toEqual(
        new Map([
          [long.toString(), ''],
          [textOf(key(1))!, 'i'],
        ]),
      )
    })

    it('any sequence of steps answers as a Map of the last finished checkpoint does, at every step', async () => {
      const change = fc.record({
        n: fc.nat(12),
        text: fc.option(fc.string({ maxLength: 40 }), { nil: undefined }),
      })
      const step = fc.oneof(
        { weight: 8, arbitrary: fc.record({ do: fc.constant('put' as const), changes: fc.array(change, { minLength: 1, maxLength: 8 }) }) },
        { weight: 2, arbitrary: fc.constant({ do: 'flush' as const }) },
        { weight: 6, arbitrary: fc.constant({ do: 'finish' as const }) },
        { weight: 1, arbitrary: fc.constant({ do: 'abort' as const }) },
        { weight: 8, arbitrary: fc.constant({ do: 'maintain' as const }) },
        { weight: 2, arbitrary: fc.constant({ do: 'reopen' as const }) },
        { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), seed: fc.nat() }) },
      )
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
          const under = await makeStore()
          let store = await under.open()
          let finished = new Map<number, string>()
          let pending = new Map<number, string>()
          let open: OpenCheckpoint | undefined
          let epoch = 0
          let finishedEpoch: number | undefined
          for (const step of steps) {
            if (step.do === 'put') {
              open ??= store.begin({ epoch: ++epoch })
              for (const { n, text } of step.changes) {
                if (text === undefined) open.delete(key(n))
                else open.put(key(n), value(text), value(`of ${text}`))
                if (text === undefined) pending.delete(n)
                else pending.set(n, text)
              }
            } else if (step.do === 'flush') await open?.flush()
            else if (step.do === 'maintain') await store.maintain()
            else if (step.do === 'finish' && open) {
              await open.finish()
              finished = new Map(pending)
              finishedEpoch = epoch
              open = undefined
            } else {
              if (step.do === 'abort') await open?.abort()
              if (step.do === 'reopen') await store.close()
              if (step.do === 'crash') await under.crash(step.seed)
              if (step.do === 'reopen' || step.do === 'crash') store = await under.open()
              if (step.do !== 'finish') {
                open = undefined
                pending = new Map(finished)
              }
            }
            expect(store.header?.epoch).toBe(finishedEpoch)
            for (let n = 0; n <= 12; n++) expect(textOf(store.get(key(n)))).toBe(finished.get(n))
          }
          expect(all(store)).toEqual(new Map([...finished].map(([n, text]) => [textOf(key(n))!, `of ${text}`])))
          await store.close()
          await under.dispose()
        }),
        { numRuns: runs },
      )
    })
  })
}
