// Requests of our own over kafkajs' connections, for what it does with an object per record: fetches and produced batches. Everything else of the protocol is kafkajs'.
// Owns nothing; looks into kafkajs 2.2.4 for the door that its brokers send by.
import { createRequire } from 'node:module'
import type { Broker } from 'kafkajs'

/** What is written of a request behind its header: what kafkajs reads of encoders of its own. */
export interface RequestBody {
  buf: Buffer
  buffer: Buffer
}

export interface WireRequest<A> {
  request: { apiKey: number; apiVersion: number; apiName: string; encode(): Promise<RequestBody> }
  response: { decode(payload: Buffer): Promise<A & { clientSideThrottleTime: number }>; parse(decoded: A): Promise<A> }
  /** Default: that of the client. */
  requestTimeout?: number
}

interface Sender {
  connectionPool: { send<A>(request: WireRequest<A>): Promise<A> }
}

const load = createRequire(import.meta.url)
const { createErrorFromCode } = load('kafkajs/src/protocol/error.js') as { createErrorFromCode(code: number): Error }

/** As the requests of kafkajs' brokers are sent. Errors are kafkajs'. */
export async function send<A>(broker: Broker, request: WireRequest<A>): Promise<A> {
  try {
    return await (broker as unknown as Sender).connectionPool.send(request)
  } catch (error) {
    if ((error as Error).name === 'KafkaJSConnectionClosedError') await broker.disconnect()
    throw error
  }
}

/** Throws what kafkajs throws for a broker's code that is not 0. */
export function throwCode(code: number): void {
  if (code !== 0) throw createErrorFromCode(code)
}

/** Reads an answer from its beginning. */
export class WireReader {
  private readonly bytes: Buffer
  private at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  int16(): number {
    return this.bytes.readInt16BE((this.at += 2) - 2)
  }

  int32(): number {
    return this.bytes.readInt32BE((this.at += 4) - 4)
  }

  /** Exact up to 2^53. */
  int64(): number {
    return this.int32() * 2 ** 32 + (this.int32() >>> 0)
  }

  text(): string {
    return this.take(this.int16()).toString()
  }

  /** A part of the answer itself; null is nothing. */
  blob(): Buffer {
    return this.take(Math.max(0, this.int32()))
  }

  /** Null is empty. */
  array<T>(of: () => T): T[] {
    return this.many(this.int32(), of)
  }

  /** Of the newer form of requests, which has lengths of as many bytes as they need, null as 0. */
  compactText(): string {
    return this.take(Math.max(0, this.uvarint() - 1)).toString()
  }

  compactArray<T>(of: () => T): T[] {
    return this.many(this.uvarint() - 1, of)
  }

  /** Fields of later versions, which nobody here asks for. */
  tags(): void {
    for (let left = this.uvarint(); left > 0; left--) {
      this.uvarint()
      this.take(this.uvarint())
    }
  }

  private uvarint(): number {
    let value = 0
    for (let shift = 0; shift < 32; shift += 7) {
      const byte = this.take(1)[0]
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
    throw new RangeError('a length in an answer is too long')
  }

  /** Each takes a byte at least: what says that there are more is none. */
  private many<T>(count: number, of: () => T): T[] {
    if (count > this.bytes.length - this.at) throw new RangeError(`${count} parts of an answer do not lie within it`)
    return Array.from({ length: Math.max(0, count) }, of)
  }

  take(length: number): Buffer {
    if (length < 0 || this.at + length > this.bytes.length)
      throw new RangeError(`an answer ends at ${this.bytes.length}, within what it holds`)
    return this.bytes.subarray(this.at, (this.at += length))
  }
}

/** Writes a request's body. */
export class WireWriter {
  private readonly parts: Buffer[] = []

  int8(value: number): this {
    return this.put(1, (bytes) => bytes.writeInt8(value))
  }

  int16(value: number): this {
    return this.put(2, (bytes) => bytes.writeInt16BE(value))
  }

  int32(value: number): this {
    return this.put(4, (bytes) => bytes.writeInt32BE(value))
  }

  int64(value: number): this {
    return this.put(8, (bytes) => bytes.writeBigInt64BE(BigInt(value)))
  }

  text(value: string | null): this {
    if (value === null) return this.int16(-1)
    const bytes = Buffer.from(value)
    this.int16(bytes.length).parts.push(bytes)
    return this
  }

  array<T>(values: readonly T[], each: (value: T) => void): this {
    this.int32(values.length)
    for (const value of values) each(value)
    return this
  }

  compactText(value: string): this {
    const bytes = Buffer.from(value)
    return this.uvarint(bytes.length + 1).bytes(bytes)
  }

  compactArray<T>(values: readonly T[], each: (value: T) => void): this {
    this.uvarint(values.length + 1)
    for (const value of values) each(value)
    return this
  }

  /** None. */
  tags(): this {
    return this.uvarint(0)
  }

  bytes(bytes: Buffer): this {
    this.parts.push(bytes)
    return this
  }

  private uvarint(value: number): this {
    for (; value > 127; value >>>= 7) this.bytes(Buffer.of((value & 127) | 128))
    return this.bytes(Buffer.of(value))
  }

  /** Not copied before the end. */
  blob(parts: readonly Buffer[]): this {
    this.int32(parts.reduce((sum, { length }) => sum + length, 0)).parts.push(...parts)
    return this
  }

  body(): RequestBody {
    const buffer = Buffer.concat(this.parts)
    return { buf: buffer, buffer }
  }

  private put(bytes: number, write: (into: Buffer) => void): this {
    const into = Buffer.allocUnsafe(bytes)
    write(into)
    this.parts.push(into)
    return this
  }
}
