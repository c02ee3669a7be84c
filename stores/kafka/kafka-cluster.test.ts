// A leader that has moved is looked for again at once, by whoever reads and by whoever waits for records.
import { expect, test } from 'vitest'
import { kafkaClient } from './kafka-client.ts'
import { KafkaCluster } from './kafka-cluster.ts'

const REACHED = 'the new leader was asked'

/** Of which broker 1 led the partition when it was asked last; now 2 does, and 1 lives. */
function movedLeader() {
  const cluster = new KafkaCluster(kafkaClient({ brokers: ['localhost:1'] }))
  const asked: string[] = []
  let known = '1'
  const inner = {
    connect: async () => undefined,
    addMultipleTargetTopics: async () => undefined,
    refreshMetadataIfNecessary: async () => undefined,
    refreshMetadata: async () => (known = '2'),
    findLeaderForPartitions: () => ({ [known]: [0] }),
    findBroker: async ({ nodeId }: { nodeId: string }) => {
      asked.push(nodeId)
      throw nodeId === '1' ? Object.assign(new Error('not the leader'), { type: 'NOT_LEADER_FOR_PARTITION' }) : new Error(REACHED)
    },
  }
  ;(cluster as unknown as { cluster: object }).cluster = inner
  return { cluster, asked, leader: () => known }
}

const at = { topic: 't', partition: 0, from: 0, maxBytes: 1 }

test('a read asks the new one', async () => {
  const { cluster, asked } = movedLeader()
  await expect(cluster.fetch(at)).rejects.toThrow(REACHED)
  expect(asked).toEqual(['1', '2'])
})

test('whoever waits for records finds it when the old one has refused', async () => {
  const { cluster, leader } = movedLeader()
  await expect(cluster.fetchFrom('1', [at], 0)).rejects.toThrow('not the leader')
  expect(leader()).toBe('2')
})
