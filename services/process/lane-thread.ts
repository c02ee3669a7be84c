// One thread of a lane: a Piscina pool of one, so that work stays pinned to its state. Owns the thread from its start to its end, however that
// comes: by its own last word, or by something that leaves it none (an exit, a full heap, kill()). Starts no other in its place.
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { fromData } from '../../engine/errors.ts'
import { siblingModule } from '../../model/module-url.ts'
import { LANE_LIMITS } from './lane-limits.ts'
import type { FromLane, ThreadSetup, ToLane } from './lane-protocol.ts'

/** `died`: it could not say why. */
export interface LaneEnd {
  died: boolean
  error: Error | undefined
}

export class LaneThread {
  /** Resolves when the thread is gone. */
  readonly ended: Promise<LaneEnd>
  private readonly port: MessagePort
  private readonly pool: Piscina
  private isKilled = false

  /** `heapMb`: another bound of its JavaScript heap. */
  constructor(setup: ThreadSetup, onMessage: (message: FromLane) => void, heapMb = LANE_LIMITS.maxOldGenerationSizeMb) {
    this.pool = new Piscina({
      filename: siblingModule(import.meta.url, './lane-worker').href,
      minThreads: 1,
      maxThreads: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      resourceLimits: { ...LANE_LIMITS, maxOldGenerationSizeMb: heapMb },
    })
    // Told again by the task.
    this.pool.on('error', () => undefined)
    const [worker] = this.pool.threads
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    let hasDied = false
    worker.once('exit', () => {
      hasDied = true
    })
    worker.once('error', () => {
      hasDied = true
    })
    const { port1, port2 } = new MessageChannel()
    this.port = port1
    // The thread's own last word is the end: the pool's answer may overtake what was said through the port.
    const lastWord = Promise.withResolvers<LaneEnd>()
    port1.on('message', (message: FromLane) => {
      if (message.type !== 'ended') return onMessage(message)
      lastWord.resolve({ died: false, error: message.error && fromData(message.error) })
    })
    const running = this.pool.run({ port: port2, setup }, { transferList: [port2] })
    running.catch((error: Error) => lastWord.resolve({ died: hasDied || this.isKilled, error }))
    this.ended = lastWord.promise.then(async (end) => {
      await Promise.allSettled([running])
      port1.close()
      await this.pool.destroy()
      // What it had open is closed by then: the next one may open it.
      await exited
      return end
    })
  }

  say(message: ToLane): void {
    this.port.postMessage(message)
  }

  /** Ends it wherever it is. */
  kill(): void {
    this.isKilled = true
    void this.pool.destroy()
  }
}
