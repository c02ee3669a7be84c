// The sinks' thread: owns the embedded analytics engine and every sink task, and answers queries. Started by sinks-client through a Piscina
// pool of one; the call lasts as long as the thread.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import { EngineError, toData } from '../../engine/errors.ts'
import type { Log } from '../../engine/log/contract.ts'
import { type SinkTarget, sinkDefaults } from '../../engine/sink/contract.ts'
import { SinkTask } from '../../engine/sink/sink-task.ts'
import { systemClock } from '../../engine/time/clock.ts'
import * as analytics from '../../stores/analytics/index.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { partitionsOf } from './partitions-of.ts'
import type { FromSinks, SinkOrder, SinksSetup, ToSinks } from './sinks-protocol.ts'

/** An insert is given up after this long: far below the deduplication window. */
const INSERT_DEADLINE_MS = 60_000
/** How often files of this thread's journal that nobody needs are looked for. */
const RETAIN_MS = 60_000

/** How records become rows: raised with every change of an encoder or of a table's definition. */
const ROWS_VERSION = 'rows 1'

/** Tables that a topology may name as a sink, and what fills them. */
const TARGETS: Readonly<Record<string, (store: analytics.AnalyticsStore, lineage: string) => SinkTarget<unknown>>> = {
  events_raw: (store, lineage) => analytics.sinkTarget(store, analytics.EVENTS_RAW, lineage, analytics.eventEncoder(lineage)),
  ...Object.fromEntries(
    [analytics.FACT_SESSIONS, analytics.FACT_INCIDENTS, analytics.EVENTS_LATE, analytics.EVENTS_DLQ].map((schema) => [
      schema.table,
      (store: analytics.AnalyticsStore, lineage: string) =>
        analytics.sinkTarget(store, schema, lineage, analytics.rowEncoder(schema, lineage)),
    ]),
  ),
  ...Object.fromEntries(
    analytics.TILE_TABLES.map((schema) => [
      schema.table,
      (store: analytics.AnalyticsStore, lineage: string) => analytics.tileTarget(store, schema, lineage),
    ]),
  ),
}

export default async function runSinks({ port, setup }: { port: MessagePort; setup: SinksSetup }): Promise<void> {
  const say = (message: FromSinks) => port.postMessage(message)
  let store: analytics.AnalyticsStore | undefined
  let log: (Log & Pick<JournalLog, 'retain'>) | undefined
  let failure: unknown
  try {
    const { memoryBytes, threads, ttlDays } = setup.analytics
    store = await analytics.openChdbStore({
      folder: join(setup.folder, 'analytics'),
      threads,
      memoryBytesMax: memoryBytes,
      insertDeadlineMs: INSERT_DEADLINE_MS,
      fsync: setup.sink.fsync,
      ttlDays,
    })
    say({ type: 'opened' })
    await store.migrate((name) => say({ type: 'migrating', name }))
    for (const { declared } of setup.sinks) if (declared) await store.makeTable(declared)
    const { shared, journalBytes, retention } = setup
    const own = await openJournalLog({
      files: realFiles,
      folder: join(setup.folder, 'log'),
      writer: setup.name,
      shared,
      journalBytes,
      retention,
    })
    log = own
    if (setup.kafka) {
      const [{ openKafkaLog }, { sinksLog }] = await Promise.all([import('../../stores/kafka/kafka-log.ts'), import('./sinks-log.ts')])
      log = sinksLog(await openKafkaLog(setup.kafka), own)
    }
    await work(port, say, setup, store, log)
  } catch (error) {
    failure = error
  } finally {
    // A failure to close must not hide why it came to that.
    for (const close of [() => log?.close(), () => store?.close()]) {
      try {
        await close()
      } catch (error) {
        failure ??= error
      }
    }
    say({ type: 'ended', error: failure === undefined ? undefined : toData(failure) })
    port.close()
  }
}

/** Runs the sinks and answers until 'stop'. */
async function work(
  port: MessagePort,
  say: (message: FromSinks) => void,
  setup: SinksSetup,
  store: analytics.AnalyticsStore,
  log: Log & { retain(): Promise<number> },
): Promise<void> {
  const tasks = setup.sinks.map((order) => newSink(setup, store, log, order, say))
  const stopping = new AbortController()
  const stopped = new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve(), { once: true }))

  const endsOf = async (topic: string) =>
    Promise.all(
      Array.from({ length: partitionsOf(topic, setup.partitions) }, async (_, partition) => (await log.bounds({ topic, partition })).end),
    )
  const drain = async (to: Readonly<Record<string, readonly number[]>> | undefined) => {
    const wanted = tasks.filter(({ stats }) => to === undefined || stats.topic in to)
    await Promise.all(wanted.map(async (task) => task.drained(to?.[task.stats.topic] ?? (await endsOf(task.stats.topic)))))
  }
  const answer = (id: number, reply: Promise<FromSinks>) =>
    void reply.catch((error): FromSinks => ({ type: 'failed', id, error: toData(error) })).then(say)
  port.on('message', (message: ToSinks) => {
    switch (message.type) {
      case 'query': {
        const { id, sql, params } = message
        return answer(
          id,
          asked(sql, () => store.query(sql, params)).then((rows) => ({ type: 'rows', id, rows })),
        )
      }
      case 'query-text': {
        const { id, sql, format, params } = message
        return answer(
          id,
          asked(sql, () => store.queryText(sql, format, params)).then((text) => ({ type: 'text', id, text })),
        )
      }
      case 'drain': {
        const { id, to } = message
        return answer(
          id,
          drain(to).then(() => ({ type: 'drained', id })),
        )
      }
      case 'stats':
        return say({ type: 'stats', id: message.id, sinks: tasks.map(({ stats }) => stats) })
      case 'stop':
        return stopping.abort()
    }
  })

  const running: Promise<void>[] = []
  let failure: unknown
  try {
    for (const task of tasks) {
      // One after the other: they share the journal and the engine, and a first start declares what each needs.
      const unopened = await task.open().catch(mayWait)
      running.push(
        task
          .run(unopened)
          .catch((error) => {
            // At its end, what a sink could not record is found at the next start.
            if (stopping.signal.aborted) failure ??= error
            else say({ type: 'sink-stopped', table: task.stats.sink, error: toData(error) })
          })
          .finally(() => say({ type: 'sink-ended', table: task.stats.sink })),
      )
    }
    say({ type: 'ready' })
    while (!stopping.signal.aborted) {
      await systemClock.sleep(RETAIN_MS, stopping.signal)
      // What could not be removed now is found again next time.
      await log.retain().catch(() => undefined)
    }
    await stopped
  } finally {
    // Also where one could not be opened: the others must not go on over a log and a store that are being closed.
    for (const task of tasks) task.stop()
    await Promise.all(running)
  }
  if (failure !== undefined) throw failure
}

/** A table that answers nobody keeps nobody from starting; a disk that is full at a start does. Throws what is no cause to wait for. */
function mayWait(error: unknown): unknown {
  const { code, retryable } = error as { code?: string; retryable?: boolean }
  if (retryable === true && (code === 'INSERT_FAILED' || code === 'ANALYTICS_BUSY')) return error
  throw error
}

function newSink(
  setup: SinksSetup,
  store: analytics.AnalyticsStore,
  log: Log,
  { topic, table, declared }: SinkOrder,
  say: (message: FromSinks) => void,
): SinkTask {
  const targetOf = declared ? declaredTarget(declared) : TARGETS[table]
  if (!targetOf) throw new EngineError('UNKNOWN_TABLE', `there is no sink into ${table}`, `Tables: ${Object.keys(TARGETS).join(', ')}.`)
  const { lineage, partitions, acceptVersion, sink } = setup
  return new SinkTask({
    log,
    sink: table,
    lineage,
    topic,
    partitions: partitionsOf(topic, partitions),
    target: heard(targetOf(store, lineage), (error) => say({ type: 'sink-failed', table, error: toData(error) })),
    clock: systemClock,
    settings: { ...sinkDefaults, intervalMs: sink.intervalMs, batchBytes: sink.batchBytes },
    codeVersion: declared ? `${ROWS_VERSION}, table ${digestOf(declared)}` : ROWS_VERSION,
    acceptVersion,
    onWaiting: (error) => say({ type: 'sink-waiting', table, error: toData(error) }),
    onResumed: () => say({ type: 'sink-resumed', table }),
  })
}

/** Of what is declared: anything more in it would be another version, which somebody had to accept. */
const digestOf = ({ table, columns }: analytics.TableSchema) =>
  createHash('sha256').update(JSON.stringify({ table, columns })).digest('hex').slice(0, 12)

const MISFIT =
  'Declare the column as what the records have (with a ? where it may be absent), and give the table another name: that one is filled from the beginning of the topic. ' +
  'Nothing is lost: the records stay in the log.'

const declaredTarget = (schema: analytics.TableSchema) => (store: analytics.AnalyticsStore, lineage: string) =>
  analytics.sinkTarget(store, schema, lineage, analytics.rowEncoder(schema, lineage, {}), MISFIT)

/** What somebody asks for, which is refused where it would leave the store. */
async function asked<T>(sql: string, query: () => Promise<T>): Promise<T> {
  analytics.checkUserStatement(sql)
  return query()
}

/** The target, whose failures to write are told: the sink tries again, and somebody should know. */
function heard(target: SinkTarget<unknown>, onFailed: (error: unknown) => void): SinkTarget<unknown> {
  return new Proxy(target, {
    get(of, name) {
      const value: unknown = Reflect.get(of, name, of)
      if (name !== 'seal') return typeof value === 'function' ? value.bind(of) : value
      return () => {
        const sealed = of.seal()
        const write = (token: string) =>
          sealed.write(token).catch((error: unknown) => {
            // For room the sink waits, and says so itself.
            if ((error as { code?: string }).code !== 'DISK_FULL') onFailed(error)
            throw error
          })
        return { rows: sealed.rows, bytes: sealed.bytes, write, discard: () => sealed.discard() }
      }
    },
  })
}
