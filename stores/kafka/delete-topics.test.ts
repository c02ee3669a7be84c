// Brokers that delete nothing, or only some of it, as they say so to kafkajs; that they do delete is asked of a real one (tests/kafka/reset.kafka.test.ts).
import { expect, test } from 'vitest'
import { deleteTopics, emptyTopic, refuseUndeletable, type TopicDeleter } from './delete-topics.ts'

const said = (type: string) => Object.assign(new Error(type), { name: 'KafkaJSProtocolError', type })
/** As kafkajs throws it: within an error of its retries, and of the request. */
const ofRecords = (type: string) =>
  Object.assign(new Error('retries'), { cause: Object.assign(new Error('records'), { partitions: [{ error: said(type) }] }) })

/** A broker with topics `a` and `b`. */
function broker(answers: Partial<TopicDeleter> = {}): { admin: TopicDeleter; asked: string[] } {
  const asked: string[] = []
  const admin: TopicDeleter = {
    fetchTopicOffsets: async () => [{ partition: 0, low: '7', high: '9', offset: '9' }],
    listTopics: async () => ['a', 'b'],
    async deleteTopics({ topics }) {
      asked.push(`delete ${topics.join(' ')}`)
    },
    async deleteTopicRecords({ topic, partitions }) {
      asked.push(`records of ${topic} before ${partitions.map(({ offset }) => offset).join(' ')}`)
    },
    ...answers,
  }
  return { admin, asked }
}

test('whether topics may be deleted is asked without deleting a record; all that may not be are named', async () => {
  const { admin, asked } = broker()
  await refuseUndeletable(admin, { emptied: ['a'], deleted: ['b'] })
  expect(asked).toEqual(['records of a before 7', 'records of b before 7'])

  const refusals: Record<string, string> = { a: 'TOPIC_AUTHORIZATION_FAILED', b: 'POLICY_VIOLATION', c: 'TOPIC_AUTHORIZATION_FAILED' }
  const strict = broker({ deleteTopicRecords: ({ topic }) => Promise.reject(ofRecords(refusals[topic])) })
  await expect(refuseUndeletable(strict.admin, { emptied: ['a'], deleted: ['b', 'c'] })).rejects.toMatchObject({
    code: 'KAFKA_UNAUTHORIZED',
    message: 'this user may not delete: a, c; nothing was deleted',
    advice: expect.stringContaining('--operation Delete'),
  })
  // Compacted: nobody deletes its records, and it was past the question of who asks.
  await refuseUndeletable(strict.admin, { deleted: ['b'] })
  await expect(refuseUndeletable(strict.admin, { emptied: ['b'], deleted: [] })).rejects.toMatchObject({ code: 'KAFKA_FAILED' })
})

test('a broker that deletes no topics says so for all of them at once, in the word that old requests have for it, too', async () => {
  for (const type of ['TOPIC_DELETION_DISABLED', 'INVALID_REQUEST']) {
    const { admin } = broker({ deleteTopics: () => Promise.reject(said(type)) })
    await expect(deleteTopics(admin, ['a', 'b'])).rejects.toMatchObject({
      code: 'KAFKA_DELETION_REFUSED',
      message: 'the brokers delete no topics (delete.topic.enable=false): a, b',
      advice: expect.stringContaining('delete.topic.enable=true'),
    })
  }
})

test('topics that do not go are named when the patience is over; those that went before they were asked for are gone', async () => {
  const { admin, asked } = broker()
  await expect(deleteTopics(admin, ['b', 'c'], 0)).rejects.toMatchObject({
    code: 'KAFKA_DELETION_REFUSED',
    message: 'still there after 0 s, though the brokers have said that they are deleted: b',
  })
  expect(asked).toEqual(['delete b c'])
  const gone = broker({ deleteTopics: () => Promise.reject(said('UNKNOWN_TOPIC_OR_PARTITION')) })
  await deleteTopics(gone.admin, ['c'], 0)
  await deleteTopics(broker({ deleteTopics: () => Promise.reject(new Error('asked')) }).admin, [])
})

test('records that may not be deleted are named by what the broker said', async () => {
  const { admin, asked } = broker()
  await emptyTopic(admin, 'a', [
    { partition: 0, offset: '9' },
    { partition: 1, offset: '4' },
  ])
  expect(asked).toEqual(['records of a before 9 4'])
  const strict = broker({ deleteTopicRecords: () => Promise.reject(ofRecords('TOPIC_AUTHORIZATION_FAILED')) })
  await expect(emptyTopic(strict.admin, 'a', [{ partition: 0, offset: '9' }])).rejects.toMatchObject({ code: 'KAFKA_UNAUTHORIZED' })
})
