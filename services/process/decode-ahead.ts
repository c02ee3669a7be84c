// Several files decoded in parallel, and appended in the order given. Owns the decoding threads, the claims of the files they are at, and how far they
// may run ahead.
// 1. Memory is bounded: a file holds at most BATCHES_AHEAD batches (of about BATCH_BYTES of lines) that are decoded and not committed, and as many
//    files are decoded at once as there are cores, at most FILES_MAX.
// 2. A file is claimed when its decoding begins, which is before its turn. One that begins like an earlier one of the same run would take that one's
//    claim away: it begins when its turn has come, behind what the earlier one then has read.
import { availableParallelism } from 'node:os'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { fromData } from '../../engine/errors.ts'
import { siblingModule } from '../../model/module-url.ts'
import type { DecodeOrder, FromDecoder, ToDecoder } from './decode-protocol.ts'
import { appendDecoded, claimImport, type ImportClaim, type ImportListener, type ImportResult, type ImportTarget } from './importer.ts'
import type { DecodedBatch, ImportReceipt, LineOptions } from './line-decoder.ts'

export const BATCHES_AHEAD = 8
export const FILES_MAX = 8

export interface Ahead {
  /** Appends file `index`, to be called in the order of the files. Errors: as importLines; what opening the file rejects with. The signal ends it with its reason. */
  import(index: number, listener: AheadListener): Promise<ImportResult>
  /** Ends the threads, and gives back what was claimed for files whose turn has not come. */
  close(): Promise<void>
}

export interface AheadListener extends ImportListener {
  /** How much of the file's bytes on disk had been read for what was committed so far, 0 … 1. */
  onShare?(share: number): void
  signal?: AbortSignal
}

export function decodeAhead(paths: readonly string[], lines: LineOptions, target: ImportTarget): Ahead {
  const threads = Math.min(paths.length, availableParallelism(), FILES_MAX)
  const pool = new Piscina({
    filename: siblingModule(import.meta.url, './decode-worker').href,
    minThreads: threads,
    maxThreads: threads,
    idleTimeout: Number.POSITIVE_INFINITY,
  })
  const names = new Set<string>()
  let before: Promise<unknown> = Promise.resolve()
  const files = paths.map((path) => {
    const file = new AheadFile({ path, partitions: target.partitions, lines, batchesAhead: BATCHES_AHEAD })
    // In the order of the files, so that of two with one name the earlier one begins.
    const opened = before.then(async () => {
      const name = await file.name
      const isFirst = !names.has(name)
      names.add(name)
      const claim = async () => {
        const claimed = await claimImport(name, target)
        file.start(claimed.last)
        return claimed
      }
      return { claim, claimed: isFirst ? await claim() : undefined }
    })
    opened.catch(() => undefined)
    before = opened.catch(() => undefined)
    return { file, opened, isTaken: false }
  })
  // The pool's own queue keeps no order.
  let next = 0
  const decodeNext = async (): Promise<void> => {
    for (let entry = files[next++]; entry; entry = files[next++]) await entry.file.decode(pool)
  }
  for (let thread = 0; thread < threads; thread++) void decodeNext()
  return {
    async import(index, listener) {
      const entry = files[index]!
      entry.isTaken = true
      const { file, opened } = entry
      const { signal } = listener
      const onAbort = () => file.stop(signal!.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      if (signal?.aborted) onAbort()
      try {
        const { claim, claimed } = await opened
        file.onShare = listener.onShare
        return await appendDecoded(file, claimed ?? (await claim()), { ...listener, topic: target.topic })
      } finally {
        signal?.removeEventListener('abort', onAbort)
      }
    },
    async close() {
      for (const { file } of files) file.stop()
      for (const { opened, isTaken } of files) {
        const claim: ImportClaim | undefined = isTaken ? undefined : await opened.then(({ claimed }) => claimed).catch(() => undefined)
        await claim?.release()
      }
      await pool.destroy()
    },
  }
}

/** One file on a decoding thread, as this thread sees it. */
class AheadFile {
  readonly name: Promise<string>
  onShare: ((share: number) => void) | undefined
  private readonly order: DecodeOrder
  private readonly port: MessagePort
  private readonly threadPort: MessagePort
  private readonly queue: { batch: DecodedBatch; share: number }[] = []
  private isEnded = false
  /** Batches whose bytes are this thread's. */
  private kept = 0
  private failure: unknown
  private wake = () => {}

  constructor(order: DecodeOrder) {
    const { port1, port2 } = new MessageChannel()
    this.order = order
    this.port = port1
    this.threadPort = port2
    const name = Promise.withResolvers<string>()
    this.name = name.promise
    this.name.catch(() => undefined)
    const end = (failure?: unknown) => {
      if (this.isEnded) return
      this.isEnded = true
      this.failure ??= failure
      name.reject(this.failure ?? new Error(`${order.path} was given up`))
      if (this.kept === 0) port1.close()
      this.wake()
    }
    port1.on('message', (message: FromDecoder) => {
      if (message.type === 'name') name.resolve(message.name)
      else if (message.type === 'ended') end(message.error && fromData(message.error))
      else {
        this.kept++
        this.queue.push(message)
        this.wake()
      }
    })
    this.end = end
    this.stop = (reason) => {
      this.failure ??= reason
      if (reason !== undefined) this.queue.length = 0
      this.say({ type: 'stop' })
      end()
      port1.close()
    }
  }

  /** On a thread of the pool, until all of it is committed. Never rejects. */
  async decode(pool: Piscina): Promise<void> {
    if (this.isEnded) return
    // A thread that broke says nothing more.
    await pool.run({ port: this.threadPort, order: this.order }, { transferList: [this.threadPort] }).catch(this.end)
  }

  private readonly end: (failure?: unknown) => void
  /** Nothing more of it is decoded; with a reason, `batches` rejects with that, at once. */
  readonly stop: (reason?: unknown) => void

  start(last: ImportReceipt | undefined): void {
    this.say({ type: 'start', last })
  }

  /** The thread has been told where to begin: see start. */
  async *batches(): AsyncGenerator<DecodedBatch> {
    for (;;) {
      const next = this.queue.shift()
      if (next) {
        this.onShare?.(next.share)
        yield next.batch
      } else if (this.isEnded) break
      else await new Promise<void>((resolve) => (this.wake = resolve))
    }
    if (this.failure !== undefined) throw this.failure
  }

  give({ records }: DecodedBatch): void {
    this.port.postMessage(
      { type: 'give', records } satisfies ToDecoder,
      records.map(({ bytes }) => bytes.buffer as ArrayBuffer),
    )
    if (--this.kept === 0 && this.isEnded) this.port.close()
  }

  private say(message: ToDecoder): void {
    this.port.postMessage(message)
  }
}
