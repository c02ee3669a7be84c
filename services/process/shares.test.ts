// A stop while a partition does not come to its end, as its broker answers nothing. The time is the test's.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type PartitionWork, Shares } from './shares.ts'
import { UnderWay } from './under-way.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function shares(leave: PartitionWork['leave'], drop: PartitionWork['drop']): { shares: Shares; underWay: UnderWay } {
  const underWay = new UnderWay()
  const work: PartitionWork = { held: new Set([1, 2]), underWay, take: async () => undefined, leave, drop }
  const log = { connection: { brokers: [] }, topicPrefix: '', namespace: 'test' }
  const kafka = { groupInstanceId: 'a', sessionTimeoutMs: 6_000, drainMs: 3_000 }
  const of = { stage: 'task', topic: 'events.raw', partitions: 6, member: 'a' }
  return { underWay, shares: new Shares({ ...of, kafka, log, work, onMoved: () => undefined }) }
}

it('what does not come to its end goes without it, in time for the rest of the stop', async () => {
  const dropped: number[][] = []
  const left = Promise.withResolvers<void>()
  const { shares: own } = shares(
    () => left.promise,
    async (partitions) => {
      dropped.push([...partitions])
      left.resolve()
    },
  )
  const closed = own.close()
  await vi.advanceTimersByTimeAsync(14_000)
  expect(dropped).toEqual([])
  await vi.advanceTimersByTimeAsync(2_000)
  expect(dropped).toEqual([[1, 2]])
  await closed
})

it('what has come to its end is not dropped; why one has not is said', async () => {
  const dropped: unknown[] = []
  const drop = async (partitions: readonly number[]) => void dropped.push(partitions)
  const { shares: own, underWay } = shares(() => Promise.reject(new Error('no room')), drop)
  await expect(own.close()).rejects.toThrow('no room')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(dropped).toEqual([])
  expect(underWay.list).toEqual([])
})
