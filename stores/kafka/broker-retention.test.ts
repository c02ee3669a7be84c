// What a broker says of its defaults, in each form that it may say it. (What a real one says: ensure-topics.kafka.test.ts.)
import type { Admin } from 'kafkajs'
import { expect, test } from 'vitest'
import { brokerRetention } from './broker-retention.ts'

const adminOf = (values: Record<string, string | null> | Error) =>
  ({
    describeCluster: async () => ({ controller: null, brokers: [{ nodeId: 3 }] }),
    describeConfigs: async ({ resources: [{ name }] }: { resources: { name: string }[] }) => {
      if (values instanceof Error) throw values
      const configEntries = Object.entries(values).map(([configName, configValue]) => ({ configName, configValue }))
      return { resources: [{ resourceName: name, configEntries }] }
    },
  }) as unknown as Admin

const [ms, minutes, hours, bytes] = ['ms', 'minutes', 'hours', 'bytes'].map((unit) => `log.retention.${unit}`)

test.each<[Record<string, string | null>, Record<string, string>]>([
  [
    { [ms]: null, [minutes]: null, [hours]: '168', [bytes]: '-1' },
    { 'retention.ms': '604800000', 'retention.bytes': '-1' },
  ],
  [{ [ms]: null, [minutes]: '5', [hours]: '168' }, { 'retention.ms': '300000' }],
  [{ [ms]: '1000', [minutes]: '5', [hours]: '168' }, { 'retention.ms': '1000' }],
  [{ [ms]: null, [minutes]: null, [hours]: '-1' }, { 'retention.ms': '-1' }],
  [{}, {}],
])('%o is %o', async (said, kept) => {
  expect(Object.fromEntries(await brokerRetention(adminOf(said)))).toEqual(kept)
})

test('one that may not be asked says nothing; one that cannot be reached is an error', async () => {
  const refused = Object.assign(new Error('no'), { type: 'CLUSTER_AUTHORIZATION_FAILED' })
  expect([...(await brokerRetention(adminOf(refused)))]).toEqual([])
  const away = Object.assign(new Error('gone'), { name: 'KafkaJSConnectionError' })
  await expect(brokerRetention(adminOf(away))).rejects.toBe(away)
})
