// Lag as a table: a line for each task or sink over a topic, and one for each of its partitions that is behind. Pure.
import type { Lag } from '../services/process/lag.ts'

export interface LagSum extends Pick<Lag, 'consumer' | 'topic' | 'position' | 'end' | 'records' | 'bytes' | 'oldestMs'> {
  /** `0–7`, or of one partition its number. */
  partition: string
}

/** `all`: a line for every partition. */
export function lagSums(found: readonly Lag[], all: boolean): LagSum[] {
  const groups = Map.groupBy(found, ({ kind, consumer, topic }) => `${kind}\0${consumer}\0${topic}`)
  return [...groups.values()].flatMap((own) => {
    const single = own.map((lag): LagSum => ({ ...lag, partition: String(lag.partition) }))
    if (own.length === 1) return single
    return [
      total(own),
      ...single.filter(({ records }) => all || records > 0).map((line) => ({ ...line, partition: `  ${line.partition}` })),
    ]
  })
}

function total(own: readonly Lag[]): LagSum {
  const { consumer, topic } = own[0]!
  const sum = (name: 'position' | 'end' | 'records' | 'bytes') => own.reduce((all, lag) => all + lag[name], 0)
  const ages = own.flatMap(({ oldestMs }) => oldestMs ?? [])
  const numbers = own.map(({ partition }) => partition)
  return {
    ...{ consumer, topic, partition: `${Math.min(...numbers)}–${Math.max(...numbers)}` },
    ...{ position: sum('position'), end: sum('end'), records: sum('records'), bytes: sum('bytes') },
    ...(ages.length > 0 ? { oldestMs: Math.max(...ages) } : {}),
  }
}
