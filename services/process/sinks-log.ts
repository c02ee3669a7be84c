// The log of sinks whose records are on Kafka and whose tables are in the data folder: records from the brokers, claims and receipts in the folder's own log.
// A receipt is about a table, so both are kept, copied and lost together: a folder that is made anew is filled from the first record on.
import type { Log } from '../../engine/log/contract.ts'
import type { KafkaLog } from '../../stores/kafka/kafka-log.ts'
import type { JournalLog } from '../../stores/log/journal-log.ts'

export function sinksLog(records: KafkaLog, receipts: JournalLog): Log & Pick<JournalLog, 'retain'> {
  return {
    claim: (name, input, again) => receipts.claim(name, input, again),
    retain: () => receipts.retain(),
    reader: (at) => records.reader(at),
    bounds: (at) => records.bounds(at),
    // For displays: nobody keeps records for it, and a broker that cannot be asked now stops no sink.
    need: (consumer, at, from) => records.need(consumer, at, from).catch(() => undefined),
    changed: () => records.changed(),
    async close() {
      await records.close()
      await receipts.close()
    },
  }
}
