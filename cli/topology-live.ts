// The rates and the lag on a topology's edges, from two looks at a running process. Pure.
import type { Stats } from '../services/process/embedded.ts'
import type { Drawing } from './topology-drawing.ts'

/** One look. */
export interface Look {
  stats: Stats
  /** Of a monotonic clock. */
  ms: number
}

export interface LiveEdge {
  from: string
  to: string
  /** Records that went over it; into a topic: of all that write to it together. Without: nobody counts there. */
  perSecond?: number
  /** Records that wait before it. */
  lag?: number
}

export interface Live {
  name: string
  /** Of the process. */
  events: number
  users: number
  edges: LiveEdge[]
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

export function live({ name, nodes, edges }: Drawing, before: Look, now: Look): Live {
  const seconds = Math.max(0.001, (now.ms - before.ms) / 1000)
  const rate = (of: (look: Stats) => number) => Math.max(0, Math.round((of(now.stats) - of(before.stats)) / seconds))
  const node = (id: string) => nodes.find((known) => known.id === id)!
  // Of each partition: on Kafka positions stand behind markers, and ends behind records.
  const behind = (ends: readonly number[] = [], at: (partition: number) => number) =>
    sum(ends.map((end, partition) => Math.max(0, end - at(partition))))
  const read = ({ tasks }: Stats) => sum(tasks.map(({ position }) => position))
  const end = (topic: string) => (stats: Stats) => sum(stats.ends[topic] ?? [])
  const done = (table: string) => (stats: Stats) => sum(stats.sinks.find(({ sink }) => sink === table)?.done ?? [])
  const { stats } = now
  // Partitions that another process has are its own to tell of.
  const positions = new Map(stats.tasks.map(({ partition, position }) => [partition, position]))
  const lagOfTasks = (topic: string) => behind(stats.ends[topic], (partition) => positions.get(partition) ?? Number.POSITIVE_INFINITY)
  const lagOfTable = (topic: string, table: string) => {
    const done = stats.sinks.find(({ sink }) => sink === table)?.done ?? []
    return behind(stats.ends[topic], (partition) => done[partition] ?? 0)
  }
  const measured = edges.map(({ from, to }): LiveEdge => {
    const [source, target] = [node(from), node(to)]
    const edge = { from: source.label, to: target.label }
    if (source.kind === 'topic' && target.kind === 'window') return { ...edge, perSecond: rate(read), lag: lagOfTasks(source.label) }
    if (source.kind === 'topic' && target.kind === 'table')
      return {
        ...edge,
        perSecond: rate(done(target.label)),
        lag: lagOfTable(source.label, target.label),
      }
    return target.kind === 'topic' ? { ...edge, perSecond: rate(end(target.label)) } : edge
  })
  const { tasks } = now.stats
  return { name, events: sum(tasks.map(({ accepted }) => accepted)), users: sum(tasks.map(({ users }) => users)), edges: measured }
}
