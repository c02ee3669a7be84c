// The state store's contract as tests: every implementation passes it unchanged. The property at the end compares any sequence of steps
// with a plain Map: what the last finished checkpoint says, and nothing else, after every step.
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Namespace, OpenCheckpoint, StateStore } from './store.ts'

export interface StateStoreUnderTest {
  /** A new process opens the store; whatever was open before was closed or is dead. */
  open(): Promise<StateStore>
  /** The process is killed (the machine loses power, where that can be simulated): calls under way may never settle. */
  crash(seed: number): Promise<void>
  dispose(): Promise<void>
}

const key = (n: number): Uint8Array => Buffer.from(`org:product:user-${n}`)
const value = (text: string): Uint8Array => Buffer.from(text)
const SPACES: Namespace[] = ['state', 'index']

const textOf = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString()

function all(store: StateStore, space: Namespace): Map<string, string> {
  const found = new Map<string, string>()
  for (const [k, v] of store.entries(space)) {
    expect(found.has(textOf(k)!)).toBe(false)
    found.set(textOf(k)!, textOf(v)!)
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
      expect(store.get('state', key(1))).toBeUndefined()
      expect(all(store, 'index').size).toBe(0)
    })

    it('1, 4: a checkpoint is seen when it has finished, not before, and after a reopening', async () => {
      const checkpoint = store.begin({ epoch: 5, to: 77, counters: { late: 1 } })
      checkpoint.put('state', key(1), value('one'))
      await checkpoint.flush()
      checkpoint.put('index', key(1), value('timer'))
      expect(store.get('state', key(1))).toBeUndefined()
      expect(store.header).toBeUndefined()
      await checkpoint.finish()
      for (let round = 0; round < 2; round++) {
        expect(store.header).toEqual({ epoch: 5, to: 77, counters: { late: 1 } })
        expect(textOf(store.get('state', key(1)))).toBe('one')
        expect(store.get('index', key(2))).toBeUndefined()
        expect([...all(store, 'index')]).toEqual([['org:product:user-1', 'timer']])
        await reopen()
      }
    })

    it('1: a checkpoint that was not finished is as if it had never been begun', async () => {
      const first = store.begin({ epoch: 1 })
      first.put('state', key(1), value('one'))
      await first.finish()
      const second = store.begin({ epoch: 2 })
      second.put('state', key(1), value('two'))
      second.delete('state', key(1))
      await second.flush()
      await under.crash(7)
      store = await under.open()
      expect(store.header).toEqual({ epoch: 1 })
      expect(textOf(store.get('state', key(1)))).toBe('one')
    })

    it('1: an aborted checkpoint leaves nothing, and the same epoch can be begun again', async () => {
      const aborted = store.begin({ epoch: 3 })
      aborted.put('state', key(1), value('wrong'))
      await aborted.flush()
      await aborted.abort()
      expect(store.get('state', key(1))).toBeUndefined()
      const again = store.begin({ epoch: 3 })
      again.put('state', key(2), value('right'))
      await again.finish()
      await reopen()
      expect(store.get('state', key(1))).toBeUndefined()
      expect(textOf(store.get('state', key(2)))).toBe('right')
    })

    it('2: a second checkpoint cannot be begun while one is open', async () => {
      const open = store.begin({ epoch: 1 })
      expect(() => store.begin({ epoch: 2 })).toThrow('open already')
      await open.abort()
    })

    it('4: a deleted key is absent, whether it lies in a file or was applied', async () => {
      for (const epoch of [1, 2]) {
        const checkpoint = store.begin({ epoch })
        if (epoch === 1) checkpoint.put('state', key(1), value('one'))
        else checkpoint.delete('state', key(1))
        await checkpoint.finish()
        if (epoch === 1) await settle(store)
      }
      expect(store.get('state', key(1))).toBeUndefined()
      await settle(store)
      await reopen()
      expect(store.get('state', key(1))).toBeUndefined()
      expect(all(store, 'state').size).toBe(0)
    })

    it('empty values, long keys and a key of both namespaces are told apart', async () => {
      const long = Buffer.alloc(1500, 'k')
      const checkpoint = store.begin({ epoch: 1 })
      checkpoint.put('state', long, value('long'))
      checkpoint.put('state', key(1), value(''))
      checkpoint.put('index', key(1), value('i'))
      await checkpoint.finish()
      await settle(store)
      expect(textOf(store.get('state', long))).toBe('long')
      expect(store.get('state', key(1))).toHaveLength(0)
      expect(textOf(store.get('index', key(1)))).toBe('i')
      expect(all(store, 'state').size).toBe(2)
    })

    it('any sequence of steps answers as a Map of the last finished checkpoint does, at every step', async () => {
      const change = fc.record({
        space: fc.constantFrom(...SPACES),
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
          let finished = new Map<string, string>()
          let pending = new Map<string, string>()
          let open: OpenCheckpoint | undefined
          let epoch = 0
          let finishedEpoch: number | undefined
          for (const step of steps) {
            if (step.do === 'put') {
              open ??= store.begin({ epoch: ++epoch })
              for (const { space, n, text } of step.changes) {
                if (text === undefined) open.delete(space, key(n))
                else open.put(space, key(n), value(text))
                if (text === undefined) pending.delete(`${space} ${n}`)
                else pending.set(`${space} ${n}`, text)
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
            for (const space of SPACES) {
              for (let n = 0; n <= 12; n++) expect(textOf(store.get(space, key(n)))).toBe(finished.get(`${space} ${n}`))
            }
          }
          for (const space of SPACES) {
            const expected = [...finished].filter(([k]) => k.startsWith(space)).map(([k, v]) => [`org:product:user-${k.split(' ')[1]}`, v])
            expect(all(store, space)).toEqual(new Map(expected as [string, string][]))
          }
          await store.close()
          await under.dispose()
        }),
        { numRuns: runs },
      )
    })
  })
}
