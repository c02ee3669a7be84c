// The product's stage over a log that anybody may write to (Kafka): a record that lies in another partition than that of its key becomes a row that is no event,
// so a dead letter with WRONG_PARTITION. Half of its user's events would be here and half there, and neither session would be right. Owns the check of the rows;
// what an event is, is the scanner's.
import type { Stage } from '../../engine/lane/computer.ts'
import { sessionStage } from '../../engine/lane/session-computer.ts'
import type { Topology } from '../../engine/topology/topology.ts'
import { type EventBatch, FIELD, FIELD_COUNT } from '../../model/batch.ts'
import { Partitioner } from '../../model/partitioner.ts'
import { INVALID, newBatch } from '../../model/scan.ts'

/** `partitions`: of the topic that it reads. */
export function checkedStage(topology: Topology, partitions: number): Stage {
  const batch = newBatch()
  const stage = sessionStage(topology, batch)
  const partitioner = new Partitioner(partitions)
  return {
    ...stage,
    computer(scope, store) {
      const computer = stage.computer(scope, store)
      const load = computer.load.bind(computer)
      computer.load = (read, from, to) => {
        load(read, from, to)
        refuseStrays(batch, partitioner, scope.partition, partitions)
      }
      return computer
    },
  }
}

function refuseStrays(batch: EventBatch, partitioner: Partitioner, partition: number, partitions: number): void {
  const { bytes, spans, hash, type, count } = batch
  for (let row = 0; row < count; row++) {
    if (type[row] === INVALID) continue
    const org = row * FIELD_COUNT + FIELD.org
    const product = row * FIELD_COUNT + FIELD.product
    const place = hash[org] ^ (hash[product] >>> 7)
    const own = partitioner.of(bytes, spans[org * 2], spans[org * 2 + 1], bytes, spans[product * 2], spans[product * 2 + 1], place)
    if (own === partition) continue
    type[row] = INVALID
    const message = `its key orgId:productId belongs to partition ${own} of ${partitions}, by Kafka's default partitioner; it was found in ${partition}`
    batch.errors.set(row, { code: 'WRONG_PARTITION', message })
  }
}
