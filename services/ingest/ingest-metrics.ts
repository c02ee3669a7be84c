// What /metrics tells (Prometheus): the door's own counters as it works, and the rest asked of the running process when somebody looks. Decides nothing.
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { SinkStats } from '../../engine/sink/sink-task.ts'
import type { TaskStats } from '../process/lane-protocol.ts'

/** The running process, as far as it is looked at. */
export interface Observed {
  stats(): Promise<{ tasks: TaskStats[]; sinks: SinkStats[] }>
  /** Offsets after the last record of each partition. */
  ends(topic: string): Promise<number[]>
  /** The topic that the tasks read. */
  readonly topic: string
}

const COMMIT_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5]

export class IngestMetrics {
  readonly registry = new Registry()
  private readonly requests = this.counter('http_requests_total', 'Requests answered.', ['route', 'status'])
  private readonly accepted = this.counter('ingest_events_total', 'Events accepted over HTTP: durable.', [])
  private readonly rejected = this.counter('ingest_rejected_total', 'Events rejected over HTTP.', ['code'])
  private readonly late = this.counter('ingest_late_total', 'Of the accepted: so old that they went to events.late at once.', [])
  private readonly clamped = this.counter('ingest_clamped_total', 'Of the accepted: their ts was in the future and was set back.', [])
  private readonly bytes = this.counter('ingest_bytes_total', 'Bytes of bodies, decompressed.', [])
  private readonly gone = this.counter('ingest_aborted_total', 'Senders that went away before their body was complete.', [])
  private readonly failed = this.counter('ingest_commit_failures_total', 'Commits that failed; nothing of them was accepted.', [])
  private readonly commitSeconds = new Histogram({
    name: 'packmill_ingest_commit_seconds',
    help: 'From the beginning of a commit until it is on the disk.',
    buckets: COMMIT_SECONDS,
    registers: [this.registry],
  })
  private readonly gauges = new Map<string, Gauge>()
  /** Of those the ones that have a value for each partition or table. */
  private readonly byLabel = new Set<string>()

  answered(route: string, status: number): void {
    this.requests.inc({ route, status: String(status) })
  }

  batch(bytes: number, accepted: number, late: number, clamped: number, rejected: readonly { code: string }[]): void {
    this.bytes.inc(bytes)
    this.accepted.inc(accepted)
    if (late > 0) this.late.inc(late)
    if (clamped > 0) this.clamped.inc(clamped)
    for (const { code } of rejected) this.rejected.inc({ code })
  }

  aborted(): void {
    this.gone.inc()
  }

  committed({ ms, error }: { ms: number; error?: unknown }): void {
    if (error === undefined) this.commitSeconds.observe(ms / 1000)
    else this.failed.inc()
  }

  /** The text of /metrics. `observed`: absent while the process starts. */
  async text(
    observed: Observed | undefined,
    state: { ready: boolean; waitingBytes: number; waitingSinks: readonly string[] },
    nowMs: number,
  ): Promise<string> {
    this.set('ready', 'Whether events are accepted.', {}, state.ready ? 1 : 0)
    this.set('ingest_waiting_bytes', 'Bodies and events that wait to be written.', {}, state.waitingBytes)
    this.set('sinks_waiting', 'Sinks that wait for what may pass: a full disk, a table that answers nobody.', {}, state.waitingSinks.length)
    if (observed) {
      // A thread that has failed answers no more: the door's own numbers are worth having then.
      const [looked] = await Promise.allSettled([this.observe(observed, nowMs)])
      this.set('observed', 'Whether the lanes and sinks answered.', {}, looked.status === 'fulfilled' ? 1 : 0)
    }
    return this.registry.metrics()
  }

  private async observe(observed: Observed, nowMs: number): Promise<void> {
    const { topic } = observed
    const { tasks, sinks } = await observed.stats()
    const topics = new Map<string, number[]>()
    for (const name of [topic, ...sinks.map((sink) => sink.topic)]) if (!topics.has(name)) topics.set(name, await observed.ends(name))
    // Of a partition that is another process's now nothing is told.
    for (const [name, gauge] of this.gauges) if (this.byLabel.has(name)) gauge.reset()
    for (const task of tasks) {
      const of = { partition: String(task.partition) }
      this.set('log_records', 'Records in the source topic.', of, topics.get(topic)?.[task.partition] ?? 0)
      this.set('lag_records', 'Records that are not processed yet.', of, behind(topics.get(topic)?.[task.partition], task.position))
      this.set('processed_records', 'Records processed: the rate of this is the rate of a partition.', of, task.position)
      this.set('epoch', 'The last committed epoch.', of, task.epoch)
      this.set('epoch_seconds_sum', 'Time spent on epochs, from their computation to their commit.', of, task.epochMs / 1000)
      this.set('checkpoints', 'Checkpoints finished since the start.', of, task.checkpoints)
      this.set('checkpoint_seconds_sum', 'Time spent on finished checkpoints, from begin to end.', of, task.checkpointMs / 1000)
      if (Number.isFinite(task.watermark))
        this.set(
          'watermark_delay_seconds',
          "How far the slowest actor's watermark is behind the clock.",
          of,
          (nowMs - task.watermark) / 1000,
        )
      this.set('events', 'Events by what became of them.', { ...of, state: 'accepted' }, task.accepted)
      for (const state of ['open', 'closed', 'duplicates', 'late', 'deadLettered'] as const)
        this.set('events', 'Events by what became of them.', { ...of, state }, task[state])
      this.set('dead_letters', 'Events that could not be processed.', of, task.deadLettered)
      this.set('restarts', 'Actors undone and run again.', of, task.restarts)
      this.set('cache_bytes', 'Keyed state in memory.', of, task.stateBytes)
      this.set('cache_users', 'Users whose state is in memory.', of, task.users)
      this.set('cache_loads', 'Users loaded from disk since the start.', of, task.loads)
      this.set('cache_evictions', 'Users evicted since the start.', of, task.evictions)
    }
    for (const { sink, topic: from, rows, writes, retries, done } of sinks) {
      const lag = (topics.get(from) ?? []).reduce((sum, end, partition) => sum + behind(end, done[partition] ?? 0), 0)
      this.set('sink_rows', 'Rows written since the start.', { sink }, rows)
      this.set('sink_batches', 'Batches written since the start.', { sink }, writes)
      this.set('sink_retries', 'Writes that were tried again.', { sink }, retries)
      this.set('sink_lag_records', 'Records that are not in the table yet.', { sink }, lag)
    }
  }

  private set(name: string, help: string, labels: Record<string, string>, value: number): void {
    let gauge = this.gauges.get(name)
    if (!gauge) {
      gauge = new Gauge({ name: `packmill_${name}`, help, labelNames: Object.keys(labels), registers: [this.registry] })
      this.gauges.set(name, gauge)
      if (Object.keys(labels).length > 0) this.byLabel.add(name)
    }
    gauge.set(labels, value)
  }

  private counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L> {
    return new Counter({ name: `packmill_${name}`, help, labelNames, registers: [this.registry] })
  }
}

/** On Kafka positions stand behind markers, and ends behind records. */
const behind = (end: number | undefined, position: number) => Math.max(0, (end ?? 0) - position)
