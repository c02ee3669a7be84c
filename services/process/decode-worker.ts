// A decoding thread: one file at a time is read, decompressed, cut into lines and checked; the records go to the main thread, which commits them.
// Owns nothing that lasts. Started by decode-ahead through a Piscina pool; a call lasts as long as its file.
import type { MessagePort } from 'node:worker_threads'
import { toData } from '../../engine/errors.ts'
import type { DecodeOrder, FromDecoder, ToDecoder } from './decode-protocol.ts'
import { type DecodedBatch, type ImportReceipt, StreamDecoding } from './line-decoder.ts'
import { openInput } from './open-input.ts'

export default async function decodeFile({ port, order }: { port: MessagePort; order: DecodeOrder }): Promise<void> {
  const say = (message: FromDecoder, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer)
  const stopping = new AbortController()
  const started = Promise.withResolvers<ImportReceipt | undefined>()
  let free = order.batchesAhead
  let wake = () => {}
  let decoding: StreamDecoding | undefined
  const stop = () => {
    stopping.abort()
    started.resolve(undefined)
    wake()
  }
  port.on('message', (message: ToDecoder) => {
    if (message.type === 'start') started.resolve(message.last)
    else if (message.type === 'stop') stop()
    else {
      decoding?.give({ records: message.records } as DecodedBatch)
      free++
      wake()
    }
  })
  // The main thread has ended its part, however.
  port.on('close', stop)
  let input: Awaited<ReturnType<typeof openInput>> | undefined
  let failure: unknown
  try {
    input = await openInput(order.path)
    const { size = 0, read } = input
    decoding = new StreamDecoding(input.chunks, { ...order.lines, partitions: order.partitions, nowMs: Date.now, signal: stopping.signal })
    say({ type: 'name', name: await decoding.name() })
    const last = await started.promise
    if (!stopping.signal.aborted)
      for await (const batch of decoding.batches(last)) {
        if (stopping.signal.aborted) break
        free--
        const buffers = batch.records.map(({ bytes }) => bytes.buffer as ArrayBuffer)
        say({ type: 'batch', batch, share: size > 0 ? read() / size : 1 }, buffers)
        while (free === 0 && !stopping.signal.aborted) await new Promise<void>((resolve) => (wake = resolve))
      }
  } catch (error) {
    failure = error
  } finally {
    input?.close()
  }
  say({ type: 'ended', ...(failure === undefined ? {} : { error: toData(failure) }) })
  // The next file waits for it: what is decoded and not committed is bounded by the threads.
  while (free < order.batchesAhead && !stopping.signal.aborted) await new Promise<void>((resolve) => (wake = resolve))
  port.close()
}
