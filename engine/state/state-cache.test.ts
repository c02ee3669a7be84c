// The state cache by hand. (That what it writes and leaves is whole is tests/laws/resume.test.ts and the simulator's.)
import { expect, test } from 'vitest'
import { MemoryStore } from '../../streams/memory-store.ts'
import { settings } from '../../tests/oracle/in-memory.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import { sessionStage } from '../lane/session-computer.ts'

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
