// A request's body as bytes, bounded while it comes in: its size, its size decompressed, and its time. Owns no events.
//
// 1. What a refused request still sends is read and dropped (by Node), so that its sender gets to read the answer; the time that it may take is bounded.
// 2. Nothing is kept beyond a bound: what is too large is refused from its length, or as soon as it has grown too large; a compressed body is
//    decompressed up to the bound and not further, however much it would become.
// 3. A buffer holds BEHIND more bytes than the body has, which the scanner may read and overwrite.
import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { SLACK } from '../../model/scan-plain.ts'
import { HttpError } from './http-error.ts'

export const BODY_BYTES_MAX = 5 << 20
const BEHIND = SLACK
/** Where a body says nothing of its length; no buffer is smaller. */
const FIRST_BYTES = 64 * 1024
export const FREE_BYTES_MAX = 16 << 20

export interface Body {
  /** The body is bytes[0 … length). */
  bytes: Buffer
  length: number
}

export interface ReadOptions {
  bytesMax?: number
  /** How long the whole body may take to come. */
  timeoutMs: number
  /** Calls back after so many ms, unless the function that it returns is called before. */
  startTimer(ms: number, callback: () => void): () => void
  /** Told of each chunk before it is kept; false refuses it: too much is under way. */
  reserve(bytes: number): boolean
  /** Where buffers come from, and go when nobody reads their body any more. */
  buffers: BodyBuffers
}

/** Buffers to be filled again: a new one for each body costs the collector more than filling it. */
export class BodyBuffers {
  private readonly free: Buffer[] = []
  private freeBytes = 0

  /** One of at least so many bytes. What is in it means nothing. */
  take(size: number): Buffer {
    const buffer = this.free.pop()
    if (buffer === undefined) return Buffer.allocUnsafeSlow(Math.max(size, FIRST_BYTES))
    this.freeBytes -= buffer.length
    // Bodies are of about one size: small ones go, so that those that stay fit.
    return buffer.length >= size ? buffer : Buffer.allocUnsafeSlow(size + (size >> 2))
  }

  give(buffer: Buffer): void {
    if (this.freeBytes + buffer.length > FREE_BYTES_MAX) return
    this.freeBytes += buffer.length
    this.free.push(buffer)
  }
}

type Decoder = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>
// By what a sender writes: an object would also have `constructor`, whose answer is the buffer itself, given back twice.
const DECODERS: ReadonlyMap<string, Decoder> = new Map([
  ['gzip', promisify(zlib.gunzip) as Decoder],
  ['x-gzip', promisify(zlib.gunzip) as Decoder],
  ['br', promisify(zlib.brotliDecompress) as Decoder],
  ['zstd', promisify(zlib.zstdDecompress) as Decoder],
])

/** Errors: HttpError; CONNECTION_CLOSED (an Error with that code) where the sender went away: there is nobody to answer. */
export async function readBody(request: IncomingMessage, options: ReadOptions): Promise<Body> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  const decode = DECODERS.get(encoding)
  if (!decode && encoding !== 'identity')
    throw new HttpError({
      status: 415,
      code: 'UNSUPPORTED_ENCODING',
      message: `the body is encoded as ${encoding.slice(0, 40)}: send it as it is, or as one of gzip, br, zstd`,
    })
  const raw = await receive(request, options)
  if (!decode) return raw
  try {
    return await decompress(raw, decode, encoding, options)
  } finally {
    options.buffers.give(raw.bytes)
  }
}

function receive(
  request: IncomingMessage,
  { bytesMax = BODY_BYTES_MAX, timeoutMs, startTimer, reserve, buffers }: ReadOptions,
): Promise<Body> {
  const announced = Number(request.headers['content-length'] ?? Number.NaN)
  if (announced > bytesMax) return Promise.reject(tooLarge(bytesMax, 'the body'))
  return new Promise((resolve, reject) => {
    let bytes = buffers.take((Number.isNaN(announced) ? 0 : announced) + BEHIND)
    let length = 0
    const end = (error?: Error) => {
      stopTimer()
      request.off('data', onData).off('end', onEnd).off('close', onClose)
      if (!error) return resolve({ bytes, length })
      buffers.give(bytes)
      reject(error)
    }
    const onData = (chunk: Buffer) => {
      if (length + chunk.length > bytesMax) return end(tooLarge(bytesMax, 'the body'))
      if (!reserve(chunk.length)) return end(new HttpError(BUSY))
      if (length + chunk.length + BEHIND > bytes.length) {
        const grown = buffers.take((length + chunk.length) * 2 + BEHIND)
        bytes.copy(grown, 0, 0, length)
        buffers.give(bytes)
        bytes = grown
      }
      chunk.copy(bytes, length)
      length += chunk.length
    }
    const onEnd = () => end()
    const onClose = () => end(Object.assign(new Error('the sender went away'), { code: 'CONNECTION_CLOSED' }))
    const stopTimer = startTimer(timeoutMs, () =>
      end(
        new HttpError({
          status: 408,
          code: 'BODY_TIMEOUT',
          message: `the body was not complete after ${timeoutMs} ms: nothing of it was taken, send it again`,
          closes: true,
        }),
      ),
    )
    request.on('data', onData).on('end', onEnd).on('close', onClose)
    request.on('error', () => undefined)
  })
}

async function decompress({ bytes, length }: Body, decode: Decoder, encoding: string, { bytesMax, reserve }: ReadOptions): Promise<Body> {
  const maxOutputLength = bytesMax ?? BODY_BYTES_MAX
  let decoded: Buffer
  try {
    decoded = await decode(bytes.subarray(0, length), { maxOutputLength })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxOutputLength, 'the decompressed body')
    const message = `the body is not what content-encoding ${encoding} says, or is cut short: ${(cause as Error).message}`
    throw new HttpError({ status: 400, code: 'INVALID_ENCODING', message }, cause)
  }
  if (!reserve(decoded.length)) throw new HttpError(BUSY)
  return { bytes: decoded, length: decoded.length }
}

export const BUSY = {
  status: 503,
  code: 'BUSY',
  message: 'more is waiting to be written than may wait: nothing of this request was taken, send it again later',
  retryAfter: 1,
}

const tooLarge = (bytesMax: number, what: string) =>
  new HttpError({
    status: 413,
    code: 'BODY_TOO_LARGE',
    message: `${what} has more than ${bytesMax} bytes: send fewer events at once`,
  })
