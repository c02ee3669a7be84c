// What a broker keeps of a topic that says nothing itself: asked before topics are made, so that each is made at once as it must be. A topic that is made and
// changed after that would be found wrong by another process that starts just then.
import kafkajs, { type Admin } from 'kafkajs'
import { errorType, isStale } from './kafka-error.ts'

const { ConfigResourceTypes } = kafkajs

/** Of the setting in ms the broker has coarser ones, which count where that one is not set: with what one of each is, in ms. */
const MS: readonly [name: string, ms: number][] = [
  ['log.retention.ms', 1],
  ['log.retention.minutes', 60_000],
  ['log.retention.hours', 3_600_000],
]
const BYTES = 'log.retention.bytes'

/** Values of retention.ms and retention.bytes; one that the broker does not tell is absent, as where this user may not ask. Errors: kafkajs' of connections. */
export async function brokerRetention(admin: Admin): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  try {
    const { brokers, controller } = await admin.describeCluster()
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [
        {
          type: ConfigResourceTypes.BROKER,
          name: String(controller ?? brokers[0].nodeId),
          configNames: [...MS.map(([name]) => name), BYTES],
        },
      ],
    })
    const values = new Map<string, string | null>(
      resources[0].configEntries.map(({ configName, configValue }) => [configName, configValue]),
    )
    const set = MS.find(([name]) => values.get(name))
    if (set) found.set('retention.ms', msOf(Number(values.get(set[0])), set[1]))
    const bytes = values.get(BYTES)
    if (bytes) found.set('retention.bytes', bytes)
  } catch (error) {
    // It has an answer, which is no: nothing that making the topics would not say better.
    if (errorType(error) === undefined || isStale(error)) throw error
  }
  return found
}

/** Any number below 0 is for ever. */
const msOf = (value: number, ms: number): string => (value < 0 ? '-1' : String(value * ms))
