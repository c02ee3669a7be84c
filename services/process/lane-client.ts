// The main thread's handle on one lane: a Piscina pool of one, so that work stays pinned to its state (architecture: lane).
//
// LaneClient owns the thread and the questions under way. It never touches events.
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { EngineError, fromData } from '../../engine/errors.ts'
import { siblingModule } from '../../model/module-url.ts'
import type { FromLane, LaneSetup, TaskStats, ToLane } from './lane-protocol.ts'

export interface LaneEvents {
  onRecovering?(partition: number, done: number, of: number): void
  onPartitionStopped(partition: number, error: Error): void
  onPartitionWaiting?(partition: number, error: Error): void
  onPartitionResumed?(partition: number): void
}

/** MB of young generation: garbage per epoch dies there, and a larger one is collected less often. */
const YOUNG_MB = 64

export class LaneClient {
  /** Settles when the lane has ended: rejects where its thread failed. */
  readonly ended: Promise<void>
  readonly ready: Promise<void>
  private readonly port: MessagePort
  private readonly pool: Piscina
  private readonly waiting = new Map<number, { resolve: (value: never) => void; reject: (error: unknown) => void }>()
  private nextId = 1
  /** Why nobody answers any more. */
  private over: unknown

  constructor(setup: LaneSetup, events: LaneEvents) {
    this.pool = new Piscina({
      filename: siblingModule(import.meta.url, './lane-worker').href,
      minThreads: 1,
      maxThreads: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    })
    const { port1, port2 } = new MessageChannel()
    this.port = port1
    // The thread's own last word is the end: the pool's answer may overtake what was said through the port.
    const lastWord = Promise.withResolvers<void>()
    let failure: unknown
    const ready = Promise.withResolvers<void>()
    this.ready = ready.promise
    port1.on('message', (message: FromLane) => {
      switch (message.type) {
        case 'ready':
          return ready.resolve()
        case 'recovering':
          return events.onRecovering?.(message.partition, message.done, message.of)
        case 'partition-stopped':
          return events.onPartitionStopped(message.partition, fromData(message.error))
        case 'partition-waiting':
          return events.onPartitionWaiting?.(message.partition, fromData(message.error))
        case 'partition-resumed':
          return events.onPartitionResumed?.(message.partition)
        case 'drained':
          return this.answer(message.id, undefined)
        case 'stats':
          return this.answer(message.id, message.tasks)
        case 'drain-failed':
          this.waiting.get(message.id)?.reject(fromData(message.error))
          this.waiting.delete(message.id)
          return
        case 'ended':
          if (message.error) failure = fromData(message.error)
          lastWord.resolve()
      }
    })
    const running = this.pool.run({ port: port2, setup }, { transferList: [port2] })
    running.catch((error: unknown) => {
      failure ??= error
      lastWord.resolve()
    })
    this.ended = lastWord.promise.then(async () => {
      await Promise.allSettled([running])
      await this.close(failure)
    })
    // A lane that ends before it is ready says why through `ended`; whoever waits for ready must not wait for ever.
    this.ready = Promise.race([this.ready, this.ended])
    this.ready.catch(() => undefined)
    this.ended.catch(() => undefined)
  }

  /** Resolves when the lane's partitions have committed their input up to `to`, and what was asked for after it. */
  drain(to: [partition: number, offset: number][], asked: { snapshots: boolean; close: boolean }): Promise<void> {
    return this.ask((id) => ({ type: 'drain', id, to, ...asked }))
  }

  stats(): Promise<TaskStats[]> {
    return this.ask((id) => ({ type: 'stats', id }))
  }

  /** Commits, checkpoints, releases, ends. */
  async stop(): Promise<void> {
    this.say({ type: 'stop' })
    await this.ended
  }

  private ask<T>(message: (id: number) => ToLane): Promise<T> {
    if (this.over !== undefined) return Promise.reject(this.over)
    const id = this.nextId++
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      this.say(message(id))
    })
  }

  private say(message: ToLane): void {
    this.port.postMessage(message)
  }

  private answer(id: number, value: unknown): void {
    this.waiting.get(id)?.resolve(value as never)
    this.waiting.delete(id)
  }

  private async close(error: unknown): Promise<void> {
    this.over = error ?? new EngineError('STOPPED', 'the lane has been stopped', 'Start again: nothing is lost.')
    for (const { reject } of this.waiting.values()) reject(this.over)
    this.waiting.clear()
    this.port.close()
    await this.pool.destroy()
    if (error !== undefined) throw error
  }
}
