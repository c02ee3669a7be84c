// Whoever waits is told, whatever happens to the brokers meanwhile: asked of a cluster that fails as it is told to.
import { expect, test } from 'vitest'
import type { TopicPartition } from '../../engine/log/contract.ts'
import type { FetchRequest } from './fetch-request.ts'
import { Fetched } from './fetched.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { Watch } from './watch.ts'

const input: TopicPartition = { topic: 'in', partition: 0 }
const other: TopicPartition = { topic: 'other', partition: 0 }

const nothing = ({ topic, partition, from }: FetchRequest, end = from) =>
  new Fetched({ topic, partition, start: 0, end, aborted: [], batches: [], length: 0 }, from, false)
const failing = (type: string) => Object.assign(new Error(type), { type })

interface Broken {
  leaderOf?(at: TopicPartition): Promise<string>
  fetchFrom?(leader: string, requests: readonly FetchRequest[]): Promise<Fetched[]>
  bounds?(at: TopicPartition): Promise<{ start: number; end: number }>
}

/** A watch of somebody who was told once, so that the next change is waited for. */
async function watching(broken: Broken): Promise<Watch> {
  const cluster = { leaderOf: async () => '1', bounds: async () => ({ start: 0, end: 0 }), close: async () => undefined, ...broken }
  const watch = new Watch(cluster as unknown as KafkaCluster, () => new Promise(setImmediate))
  await watch.changed()
  return watch
}

test('brokers that nobody could find are looked for until they are back', async () => {
  let looks = 0
  const watch = await watching({
    leaderOf: async () => {
      if (++looks < 5) throw failing('LEADER_NOT_AVAILABLE')
      return '1'
    },
    fetchFrom: async (_, requests) => requests.map((one) => nothing(one, 8)),
  })
  watch.saw(input, 7)
  await watch.changed()
  expect(looks).toBe(5)
  await watch.close()
})

test('a broker that went away in a fetch is looked for, and what came meanwhile is told', async () => {
  const asked: string[] = []
  let leader = 'old'
  const watch = await watching({
    leaderOf: async () => leader,
    fetchFrom: async (at, requests) => {
      asked.push(at)
      if (at === 'new') return requests.map((one) => nothing(one, 8))
      leader = 'new'
      throw failing('NOT_LEADER_FOR_PARTITION')
    },
  })
  watch.saw(input, 7)
  await watch.changed()
  expect(asked).toEqual(['old', 'new'])
  await watch.close()
})

test('one partition without a broker keeps nobody from hearing of the others', async () => {
  const never = new Promise<string>(() => undefined)
  const watch = await watching({
    leaderOf: ({ topic }) => (topic === other.topic ? never : Promise.resolve('1')),
    fetchFrom: async (_, requests) => requests.map((one) => nothing(one, one.from + 1)),
  })
  watch.saw(input, 7)
  await watch.changed()
  watch.saw(other, 7)
  // The search for the other's broker is under way, and goes on.
  for (let i = 0; i < 3; i++) await watch.changed()
  await watch.close()
})

test.each([
  ['deleted behind', { start: 20, end: 30 }],
  ['lost by the broker', { start: 0, end: 3 }],
])('records that were %s what was seen are news, and keep nobody from hearing of the others', async (_, bounds) => {
  const watch = await watching({
    bounds: async (at) => (at.topic === input.topic ? bounds : { start: 0, end: 7 }),
    fetchFrom: async (_, requests) => {
      if (requests.some(({ topic, from }) => topic === input.topic && from === 7)) throw failing('OFFSET_OUT_OF_RANGE')
      return requests.map((one) => nothing(one, one.topic === other.topic ? 8 : one.from))
    },
  })
  watch.saw(input, 7)
  watch.saw(other, 7)
  await watch.changed()
  await watch.changed()
  await watch.close()
})
