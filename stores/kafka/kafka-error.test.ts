// What kafkajs throws for a request about several topics, as it throws it. What a broker can be asked for is in ensure-topics.kafka.test.ts.
import { expect, test } from 'vitest'
import { kafkaError } from './kafka-error.ts'

const refusal = (type: string, topic: string) =>
  Object.assign(new Error(`it said ${type}`), { name: 'KafkaJSCreateTopicError', type, topic })
const several = (...errors: Error[]) => Object.assign(new Error('Topic creation errors'), { name: 'KafkaJSAggregateError', errors })

test.each([
  ['TOPIC_AUTHORIZATION_FAILED', 'KAFKA_UNAUTHORIZED', 'kafka-acls'],
  ['CLUSTER_AUTHORIZATION_FAILED', 'KAFKA_UNAUTHORIZED', 'kafka-acls'],
  ['INVALID_REPLICATION_FACTOR', 'KAFKA_SETTING_REFUSED', 'kafka.replication'],
  ['INVALID_TOPIC_EXCEPTION', 'KAFKA_SETTING_REFUSED', 'kafka.topicPrefix'],
])('%s of one topic among several is %s, not retryable, with the topic and with what to do', (type, code, advice) => {
  const thrown = several(refusal(type, 'a'), refusal(type, 'b'))
  const expected = {
    ...{ code, retryable: false, message: `Kafka: looking at the topics: a: it said ${type}`, cause: thrown },
    advice: expect.stringContaining(advice),
  }
  expect(kafkaError(thrown, 'looking at the topics')).toMatchObject(expected)
  const retried = Object.assign(new Error('retries exceeded'), { name: 'KafkaJSNonRetriableError', cause: thrown })
  expect(kafkaError(retried, 'looking at the topics')).toMatchObject({ ...expected, cause: retried })
})

test('an aggregate of nothing, and one of itself, end with what it says', () => {
  const own = several()
  expect(kafkaError(own, 'x')).toMatchObject({ code: 'KAFKA_FAILED', message: 'Kafka: x: Topic creation errors' })
  expect(kafkaError(Object.assign(own, { errors: [own] }), 'x')).toMatchObject({ code: 'KAFKA_FAILED' })
})

test.each([
  ['tlsv13 alert certificate required', 116, 'kafka.tls.cert and kafka.tls.key'],
  ['ssl/tls alert bad certificate', 42, 'kafka.tls.cert and kafka.tls.key'],
  ['ssl/tls alert certificate unknown', 46, 'kafka.tls.cert and kafka.tls.key'],
  ['tlsv1 alert protocol version', 70, 'kafka.tls.ca'],
])('the alert "%s" is KAFKA_TLS_REFUSED, and says which file to give', (alert, number, advice) => {
  const message = `Connection error: 00B0:error:0A000412:SSL routines:ssl3_read_bytes:${alert}:../deps/rec_layer_s3.c:916:SSL alert number ${number}\n`
  const thrown = Object.assign(new Error(message), { name: 'KafkaJSConnectionError' })
  expect(kafkaError(thrown, 'connecting')).toMatchObject({
    code: 'KAFKA_TLS_REFUSED',
    retryable: false,
    message: expect.stringMatching(/ number \d+$/),
    advice: expect.stringContaining(advice),
  })
})
