// The main thread's handle on the sinks' thread: a Piscina pool of one. Owns the thread and the questions under way; touches no rows of a sink.
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { EngineError, fromData } from '../../engine/errors.ts'
import type { SinkStats } from '../../engine/sink/sink-task.ts'
import { siblingModule } from '../../model/module-url.ts'
import { endOnFatalSignals } from './fatal-signals.ts'
import type { FromSinks, SinksSetup, TopicPositions, ToSinks } from './sinks-protocol.ts'

export interface SinksEvents {
  onMigrating?(name: string): void
  onSinkFailed?(table: string, error: Error): void
  onSinkWaiting?(table: string, error: Error): void
  onSinkResumed?(table: string): void
  onSinkStopped(table: string, error: Error): void
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: unknown): void
}

export class SinksClient {
  /** The analytics engine is loaded, or the thread has ended. */
  readonly opened: Promise<void>
  /** The store is open and every sink has recovered. Rejects where the thread ended before. */
  readonly ready: Promise<void>
  /** The thread has ended; rejects where it failed. */
  readonly ended: Promise<void>
  private readonly port: MessagePort
  private readonly waiting = new Map<number, Waiting>()
  private readonly atWork: Set<string>
  private nextId = 1
  private isEnded = false

  constructor(setup: SinksSetup, events: SinksEvents) {
    const pool = new Piscina({
      filename: siblingModule(import.meta.url, './sinks-worker').href,
      minThreads: 1,
      maxThreads: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
    })
    this.atWork = new Set(setup.sinks.map(({ table }) => table))
    const { port1, port2 } = new MessageChannel()
    this.port = port1
    const opened = Promise.withResolvers<void>()
    const ready = Promise.withResolvers<void>()
    // The thread's own last word is the end: the pool's answer may overtake what was said through the port.
    const lastWord = Promise.withResolvers<void>()
    let failure: Error | undefined
    port1.on('message', (message: FromSinks) => {
      switch (message.type) {
        case 'migrating':
          return events.onMigrating?.(message.name)
        case 'opened':
          endOnFatalSignals()
          return opened.resolve()
        case 'ready':
          return ready.resolve()
        case 'rows':
          return this.answer(message.id, message.rows)
        case 'text':
          return this.answer(message.id, message.text)
        case 'stats':
          return this.answer(message.id, message.sinks)
        case 'drained':
          return this.answer(message.id, undefined)
        case 'failed':
          this.waiting.get(message.id)?.reject(fromData(message.error))
          this.waiting.delete(message.id)
          return
        case 'sink-failed':
          return events.onSinkFailed?.(message.table, fromData(message.error))
        case 'sink-waiting':
          return events.onSinkWaiting?.(message.table, fromData(message.error))
        case 'sink-resumed':
          return events.onSinkResumed?.(message.table)
        case 'sink-stopped':
          return events.onSinkStopped(message.table, fromData(message.error))
        case 'sink-ended':
          this.atWork.delete(message.table)
          return
        case 'ended':
          if (message.error) failure = fromData(message.error)
          lastWord.resolve()
      }
    })
    const running = pool.run({ port: port2, setup }, { transferList: [port2] })
    running.catch((error: unknown) => {
      failure ??= error as Error
      lastWord.resolve()
    })
    this.ended = lastWord.promise.then(async () => {
      this.isEnded = true
      await Promise.allSettled([running])
      port1.close()
      await pool.destroy()
      opened.resolve()
      const over = failure ?? new EngineError('STOPPED', 'the sinks have been stopped', 'Start again: nothing is lost.')
      ready.reject(over)
      for (const { reject } of this.waiting.values()) reject(over)
      this.waiting.clear()
      if (failure) throw failure
    })
    this.opened = opened.promise
    this.ready = ready.promise
    this.ready.catch(() => undefined)
    this.ended.catch(() => undefined)
  }

  /** The tables whose sinks have not ended. */
  get working(): readonly string[] {
    return [...this.atWork]
  }

  query<T = Record<string, unknown>>(sql: string, params?: Record<string, unknown>): Promise<T[]> {
    return this.ask((id) => ({ type: 'query', id, sql, params }))
  }

  queryText(sql: string, format: string, params?: Record<string, unknown>): Promise<string> {
    return this.ask((id) => ({ type: 'query-text', id, sql, format, params }))
  }

  /** Resolves when everything below the positions (default: all that is in the log now) can be queried. Rejects where its sink has stopped. */
  drain(to?: TopicPositions): Promise<void> {
    return this.ask((id) => ({ type: 'drain', id, to }))
  }

  stats(): Promise<SinkStats[]> {
    return this.ask((id) => ({ type: 'stats', id }))
  }

  /** Finishes the inserts under way, records them, closes the store. */
  async stop(): Promise<void> {
    if (!this.isEnded) this.port.postMessage({ type: 'stop' } satisfies ToSinks)
    await this.ended
  }

  private ask<T>(message: (id: number) => ToSinks): Promise<T> {
    if (this.isEnded) return Promise.reject(new EngineError('STOPPED', 'the sinks have been stopped', 'Start again: nothing is lost.'))
    const id = this.nextId++
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as Waiting['resolve'], reject })
      this.port.postMessage(message(id))
    })
  }

  private answer(id: number, value: unknown): void {
    this.waiting.get(id)?.resolve(value)
    this.waiting.delete(id)
  }
}
