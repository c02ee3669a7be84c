// Planted bugs of what only Kafka has (rules 15 and 17): who may write, what is read of a changelog, and which copies of it may be used.
import { type Inside, patch } from './inside.ts'
import type { PlantedBug } from './planted.ts'

export const plantedOnKafka: readonly PlantedBug[] = [
  {
    rule: 15,
    bug: 'taking a transactional id fences nobody',
    ground: 'kafka',
    make: () => ({
      broker: (broker: Inside) =>
        patch(broker, 'init', (init) => (id: string) => {
          init(id)
          broker.producers.get(id).epoch = 1
          return 1
        }),
    }),
    seed: 4,
    as: 'epochs-follow',
  },
  {
    rule: 17,
    bug: 'a cache is used however old it is',
    ground: 'kafka',
    make: () => ({
      kafkaState(state: Inside) {
        state.now = () => 0
      },
    }),
    seed: 126,
    as: 'published-epochs-restore',
  },
  {
    rule: 17,
    bug: 'a checkpoint is written in several transactions',
    ground: 'kafka',
    make: () => ({
      kafkaState: (state: Inside) =>
        patch(state, 'send', (send) => async (records) => {
          await send(records)
          await state.commit()
        }),
    }),
    seed: 4,
    as: 'watermark-never-back',
  },
  {
    rule: 17,
    bug: 'the topic of receipts is compacted',
    ground: 'kafka',
    make: () => ({
      broker: (broker: Inside) => patch(broker, 'of', (of) => (prefix: string) => [...of(prefix), ...of('packmill.receipts.task.')]),
    }),
    seed: 1,
    as: 'published-epochs-restore',
  },
  {
    rule: 17,
    bug: 'records of aborted transactions are read',
    ground: 'kafka',
    make: () => ({
      broker: (broker: Inside) =>
        patch(broker, 'partition', (partition) => (topic: string, number: number) => {
          const found = partition(topic, number)
          if (!Object.hasOwn(found, 'fetch'))
            patch(found, 'fetch', (fetch) => (...args) => ({ ...fetch(...args), aborted: [] }))
          return found
        }),
    }),
    seed: 2,
    as: 'published-epochs-restore',
  },
]
