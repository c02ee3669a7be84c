// What kafkajs makes of a call to several brokers of which one fails is not seen: a call goes to one. And what it says nothing of is not committed.
import type { Kafka, ProducerBatch } from 'kafkajs'
import { expect, test } from 'vitest'
import { type ProducedBlock, TransactionalProducer } from './transactional-producer.ts'

const block = (topic: string, partition: number): ProducedBlock => ({ topic, partition, lines: Buffer.from('a\nb\n'), count: 2 })
const leaders: Record<string, string> = { 'out/0': '1', 'out/1': '2', 'own/0': '1' }

/** A client whose broker knows what it was sent, and answers with `said` of it. */
async function opened(said: (partitions: string[]) => string[]) {
  const sent: string[][] = []
  const sendBatch = async ({ topicMessages }: ProducerBatch) => {
    const partitions = topicMessages!.flatMap(({ topic, messages }) =>
      Object.keys((messages as never as { reduce(): object }).reduce()).map((partition) => `${topic}/${partition}`),
    )
    sent.push(partitions)
    return said(partitions).map((at) => ({ topicName: at.split('/')[0], partition: Number(at.split('/')[1]), baseOffset: '7' }))
  }
  const transaction = { isActive: () => true, sendBatch }
  const kafka = { producer: () => ({ connect: async () => undefined, transaction: async () => transaction }) } as unknown as Kafka
  const leaderOf = async ({ topic, partition }: { topic: string; partition: number }) => leaders[`${topic}/${partition}`]
  return { sent, producer: await TransactionalProducer.open({ kafka, transactionalId: 't', transactionTimeoutMs: 1000, leaderOf }) }
}

test('a call goes to one broker', async () => {
  const { sent, producer } = await opened((partitions) => partitions)
  const written = await producer.send([block('out', 0), block('out', 1), block('own', 0)])
  expect(sent).toEqual([['out/0', 'own/0'], ['out/1']])
  expect(written.map(({ topic, partition, base, after }) => [topic, partition, base, after])).toEqual([
    ['out', 0, 7, 9],
    ['own', 0, 7, 9],
    ['out', 1, 7, 9],
  ])
})

test('a partition that the answer leaves out is an error, which may pass', async () => {
  const { producer } = await opened((partitions) => partitions.filter((at) => at !== 'own/0'))
  await expect(producer.send([block('out', 0), block('own', 0)])).rejects.toMatchObject({ type: 'NETWORK_EXCEPTION' })
})
