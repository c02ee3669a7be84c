// What is computed from a lineage's input has a name of its own: the lineage's at first, and after each reset the next one (main, main-2, main-3 …). In a data folder
// packmill.json says which it is; on Kafka the topics do, as several folders compute it: the newest one that has a topic of receipts. Pure.
import type { Stage } from '../../engine/lane/computer.ts'
import { TOPICS } from '../../model/rows.ts'
import type { Names } from '../../stores/kafka/names.ts'

/** main → main-2 → main-3 */
export const nextComputed = (lineage: string, computed: string): string => `${lineage}-${ordinal(lineage, computed)! + 1}`

/** Names of this form are those of resets: a replay that was called so would be taken for one. */
export const isReserved = (name: string): boolean => /-\d+$/.test(name)

/** A stage, by what its tasks are called after. */
export type StageName = Pick<Stage, 'name' | 'topic'>

/** The product's only one. */
export const productStage = (topology: string): StageName => ({ name: topology, topic: TOPICS.raw })

/** Of a topology of one's own on Kafka, where all of a cluster have their names in one place: none is called as the product is, and where the name ends can be seen. */
export const ownStageName = (topology: string): string => `run-${topology.replaceAll('.', ',')}`

/** What the tasks of a stage claim by, without the partition. */
export const stageOf = (computed: string, { name, topic }: StageName): string => `task.${computed}.${name}.${topic}`

/** Whether `computed` is, or once was, what is computed of a lineage. */
export const isOf = (lineage: string, computed: string): boolean => ordinal(lineage, computed) !== undefined

/** Of those that have a topic of receipts; undefined: none has. */
export function newestComputed(lineage: string, stage: StageName, topics: Iterable<string>, names: Names): string | undefined {
  let newest: string | undefined
  for (const topic of topics) {
    const of = names.ownOf(topic)?.lineage
    if (of === undefined || !isOf(lineage, of) || topic !== receiptsOf(of, stage, names)) continue
    if (newest === undefined || ordinal(lineage, of)! > ordinal(lineage, newest)!) newest = of
  }
  return newest
}

/** Those of the topics that are a lineage's beside the live one, by name: what somebody else calls so that begins alike is not. `names`: of what comes in with it. */
export function topicsOf(lineage: string, topics: readonly string[], names: Names): string[] {
  const data = new Set(Object.values(TOPICS).map((topic) => names.data({ topic, partition: 0 }).topic))
  return topics.filter((topic) => data.has(topic) || isOf(lineage, names.ownOf(topic)?.lineage ?? ''))
}

/** The topic of the receipts of its tasks. */
export const receiptsOf = (computed: string, stage: StageName, names: Names): string =>
  names.receipts(`${stageOf(computed, stage)}.0`).topic

function ordinal(lineage: string, computed: string): number | undefined {
  if (computed === lineage) return 1
  const count = computed.startsWith(`${lineage}-`) ? computed.slice(lineage.length + 1) : ''
  return /^\d{1,9}$/.test(count) ? Number(count) : undefined
}
