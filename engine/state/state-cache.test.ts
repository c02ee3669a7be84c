// The state cache by hand. (That what it writes and leaves is whole is tests/laws/resume.test.ts and the simulator's.)
import { expect, test, vi } from 'vitest'
import { viewOf } from '../../model/same-bytes.ts'
import type { Symbols } from '../../model/symbols.ts'
import { MemoryStore } from '../../streams/memory-store.ts'
import { EngineRun } from '../../tests/laws/engine-run.ts'
import { settings } from '../../tests/oracle/in-memory.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import { sessionStage } from '../lane/session-computer.ts'
import { USER } from './users.ts'

const USERS = 40

test('an eviction that may look at so many users evicts no more of them, and goes on behind them the next time', async () => {
  const computer = sessionStage(clickstream(settings)).computer({ lineage: 'l', code: 'c', partition: 0 }, new MemoryStore())
  const events = Array.from({ length: USERS }, (_, n) => ({
    orgId: 'o',
    productId: 'p',
    userId: `u${n}`,
    eventId: `${n}`,
    type: 'click',
    ts: 1e12 + n,
    receivedAt: 1e12,
  }))
  const bytes = Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  const blocks = [{ baseOffset: 0, count: USERS, pos: 0, length: bytes.length }]
  computer.load({ bytes: Buffer.concat([bytes, Buffer.alloc(64)]), blocks, next: USERS }, 0, USERS)
  computer.compute(1, 0, USERS, {}, undefined)
  for (let epoch = 2; epoch < 20; epoch++) {
    computer.load({ bytes: new Uint8Array(0), blocks: [], next: USERS }, USERS, USERS)
    computer.compute(epoch, USERS, USERS, {}, undefined)
  }
  const { checkpoints } = computer
  const evicted: number[] = []
  const evict = (looks: number) => {
    checkpoints.evict(0, looks)
    evicted.push(computer.stats.evictions)
  }
  // None is clean before a checkpoint has them.
  evict(7)
  checkpoints.begin({ epoch: 19 })
  while (!(await checkpoints.slice(1 << 20)));
  await checkpoints.finish()
  for (let n = 0; n < 6; n++) evict(7)
  expect(evicted).toEqual([0, 7, 14, 21, 28, 35, USERS])
  expect(computer.stateBytes).toBe(0)
})

test('a request for snapshots while a checkpoint is open leaves in it the timers that its users had', async () => {
  const users = 10
  const event = (n: number) => ({ orgId: 'o', productId: 'p', userId: `u${n}`, eventId: `${n}`, type: 'click' as const, ts: 1e12 + n })
  const events = Array.from({ length: users + 1 }, (_, n) => event(n))
  const store = new MemoryStore()
  const run = new EngineRun(clickstream(settings).pipeline, events, store)
  const first = { epoch: 1, from: 0, to: users, inputs: {} }
  run.compute(first)
  const timers = ({ computer: { state } }: EngineRun) =>
    [...state.users].map((user) => state.users.arena.f64[((user * state.users.arena.words) >> 1) + USER.DUE])
  const before = timers(run)
  run.begin(first)
  run.compute({ epoch: 2, from: users, to: users, inputs: { snapshots: true } })
  while (!(await run.cache.slice(1 << 20)));
  await run.cache.finish()
  const again = new EngineRun(clickstream(settings).pipeline, events, store)
  expect(timers(again)).toEqual(before)
  again.compute({ epoch: 2, from: users, to: users + 1, inputs: {} })
  expect(again.cache.loads).toBe(0)
})

test('a checkpoint is due four times as soon where most of what changed was loaded for it', async () => {
  const users = 10
  const event = (n: number) => ({
    orgId: 'o',
    productId: 'p',
    userId: `u${n % users}`,
    eventId: `${n}`,
    type: 'click' as const,
    ts: 1e12 + n,
  })
  const events = Array.from({ length: 3 * users }, (_, n) => event(n))
  const run = new EngineRun(clickstream(settings).pipeline, events, new MemoryStore())
  const shares: number[] = []
  for (let epoch = 1; epoch <= 3; epoch++) {
    const plan = { epoch, from: (epoch - 1) * users, to: epoch * users, inputs: {} }
    run.compute(plan)
    shares.push((run.cache.dirtyShare(1 << 20) * (1 << 20)) / run.computer.state.bytesUsed())
    run.begin(plan)
    while (!(await run.cache.slice(1 << 20)));
    await run.cache.finish()
    // The second epoch finds all in memory, the third none.
    if (epoch === 2) run.cache.evict(0)
  }
  expect(run.cache.loads).toBe(users)
  expect(shares).toEqual([2, 1.5, 8])
})

test('symbols are swept where they have doubled since the last sweep, of all such products in one walk', async () => {
  // Four strings of each: more than are left alone.
  const used = 17_000
  const event = (n: number, productId: string) => ({
    ...{ orgId: 'o', productId, userId: `u${n}`, eventId: `${n}`, type: 'screen_view' as const, ts: 1e12 + n },
    ...{ screen: `s${n}`, element: `e${n}`, taskType: `t${n}`, context: `c${n}` },
  })
  const events = [...Array.from({ length: used }, (_, n) => event(n, 'p')), event(0, 'q'), event(0, 'r')]
  const run = new EngineRun(clickstream(settings).pipeline, events, new MemoryStore())
  const plan = { epoch: 1, from: 0, to: events.length, inputs: {} }
  run.compute(plan)
  const [p, q] = run.computer.actors.list.map(({ symbols }) => symbols)
  const forget = (symbols: Symbols) => {
    for (let n = 0; n < 70_000; n++) {
      const bytes = Buffer.from(`forgotten ${n}`)
      symbols.intern(viewOf(bytes), 0, bytes.length, n)
    }
  }
  const walks = vi.spyOn(run.computer.state.users, Symbol.iterator)
  const counts: number[][] = []
  const checkpoint = async () => {
    await run.checkpoint(plan)
    counts.push([walks.mock.calls.length, p.count, q.count])
  }
  forget(q)
  await checkpoint()
  await checkpoint()
  forget(p)
  await checkpoint()
  expect(counts).toEqual([
    [1, 4 * used, 4],
    [1, 4 * used, 4],
    [2, 4 * used, 4],
  ])
})
