// The log as one partition task sees it: after a read the bounds of its input are those that the read brought along, for which nobody is asked again. Each
// epoch reads and then wants to know whether that was all; two requests more, each time, are what that costs else.
import type { Bounds, Log, TopicPartition } from '../../engine/log/contract.ts'
import type { KafkaLog } from './kafka-log.ts'

/** For one reader at a time of the partition `at`. `ready`: what each claim waits for, as a task that recovers begins with one. `start`: where the partition
 *  began when it was read last. */
export function taskView(log: KafkaLog, at: TopicPartition, ready: () => Promise<void>): Log & { readonly start: number } {
  let known: Bounds | undefined
  let begins = 0
  const isInput = ({ topic, partition }: TopicPartition) => topic === at.topic && partition === at.partition
  return {
    get start() {
      return begins
    },
    async claim(name, input, again) {
      await ready()
      return log.claim(name, input, again)
    },
    need: (consumer, of, from) => log.need(consumer, of, from),
    changed: () => log.changed(),
    close: () => log.close(),
    async bounds(of) {
      const told = isInput(of) ? known : undefined
      known = undefined
      return told ?? log.bounds(of)
    },
    reader(of) {
      const reader = log.reader(of)
      if (!isInput(of)) return reader
      return {
        close: () => reader.close(),
        async read(from, maxBytes) {
          known = undefined
          const result = await reader.read(from, maxBytes)
          const { start, end } = reader.bounds
          begins = start
          // Markers and aborted records may follow, which nobody reads: the last record was before them.
          known = { start, end: result.blocks.length === 0 ? Math.min(from, end) : end, decided: end }
          return result
        },
      }
    },
  }
}
