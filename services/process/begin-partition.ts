// Where a partition begins whose log does not begin with its first record: retention has deleted what came before. Written down before the first epoch as a
// checkpoint with nothing in it, so that every later start begins there too.
import type { Stage } from '../../engine/lane/computer.ts'
import type { StateStore } from '../../engine/state/store.ts'
import type { KafkaLog } from '../../stores/kafka/kafka-log.ts'

/** Of a task that has neither a checkpoint nor a receipt; nothing is done for any other. `name`: what it claims by. Errors: those of log and store. */
export async function beginPartition(
  { log, store }: { log: KafkaLog; store: StateStore },
  stage: Stage,
  { name, ...scope }: { name: string; lineage: string; code: string; partition: number },
): Promise<void> {
  if (store.header) return
  const { start } = await log.bounds({ topic: stage.topic, partition: scope.partition })
  if (start === 0 || (await log.lastReceipt(name))) return
  const { header, layout } = stage.computer(scope, store)
  await store.begin({ ...header, epoch: 0, to: start, code: scope.code, layout }).finish()
}
