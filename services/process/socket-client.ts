// A guest's end of the local socket: the owner's Embedded, as far as other processes may use it. Owns nothing but requests under way.
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { EngineError, type ErrorData, fromData } from '../../engine/errors.ts'
import type { DeadLetterAnswer, DeadLetterRequest } from './dead-letters.ts'
import type { Embedded, Stats } from './embedded.ts'
import type { ImportResult } from './importer.ts'
import type { Lag } from './lag.ts'
import { CUT_SHORT, type ImportReply, type SettleRequest, type SqlRequest, type StateQuestion } from './socket-protocol.ts'
import type { StateAnswer, StateRequest } from './state-view.ts'

export class SocketClient {
  private readonly socketPath: string
  private readonly owner: string

  /** `owner`: what errors call the process at the other end. */
  constructor(socketPath: string, owner: string) {
    this.socketPath = socketPath
    this.owner = owner
  }

  query<T = Record<string, unknown>>(sql: string): Promise<T[]> {
    return this.ask('/sql', { sql } satisfies SqlRequest).then((text) => this.parsed<T[]>(text))
  }

  queryText(sql: string, format: string): Promise<string> {
    return this.ask('/sql', { sql, format } satisfies SqlRequest)
  }

  async settle(asked: SettleRequest): Promise<void> {
    await this.ask('/settle', asked)
  }

  stats(): Promise<Stats> {
    return this.ask('/stats').then((text) => this.parsed<Stats>(text))
  }

  lag(): Promise<Lag[]> {
    return this.ask('/lag').then((text) => JSON.parse(text) as Lag[])
  }

  state(request: StateRequest, partitions?: readonly number[]): Promise<StateAnswer[]> {
    return this.ask('/state', { request, partitions } satisfies StateQuestion).then((text) => JSON.parse(text) as StateAnswer[])
  }

  deadLetters<R extends DeadLetterRequest>(request: R): Promise<DeadLetterAnswer<R>> {
    return this.ask('/dlq', request).then((text) => this.parsed<DeadLetterAnswer<R>>(text))
  }

  /** As Embedded's. A stream that fails is told to the owner, which keeps what came; the stream's failure is then thrown. */
  async import(stream: AsyncIterable<Uint8Array>, options: Parameters<Embedded['import']>[1]): Promise<ImportResult> {
    const asked = new URLSearchParams()
    if (options.org !== undefined) asked.set('org', options.org)
    if (options.name !== undefined) asked.set('name', options.name)
    if (options.format !== undefined) asked.set('format', options.format)
    if (options.product !== undefined) asked.set('product', options.product)
    for (const what of options.skip ?? []) asked.append('skip', what)
    if (options.again) asked.set('again', '1')
    const request = httpRequest(this.to({ method: 'POST', path: `/import?${asked}` }))
    let failure: unknown
    const body = async function* () {
      try {
        // Copies: what is sent waits beyond the next chunk.
        for await (const chunk of stream) yield Buffer.from(chunk)
      } catch (error) {
        failure = error
        request.addTrailers({ [CUT_SHORT]: '1' })
      }
    }
    // Ends with the request: an answer that comes early, an error, stops it.
    const sent = pipeline(Readable.from(body()), request)
    sent.catch(() => undefined)
    request.flushHeaders()
    const lines = createInterface({ input: await this.answer(request), crlfDelay: Number.POSITIVE_INFINITY })
    // The loop is told too; where it has ended, the end of the owner would be the end of this process.
    lines.on('error', () => undefined)
    try {
      for await (const line of lines) {
        const reply = this.parsed<ImportReply>(line)
        switch (reply.type) {
          case 'progress':
            options.onProgress?.(reply.progress)
            break
          case 'reject':
            if (typeof reply.bytes !== 'string') throw this.unreadable()
            options.onReject(reply.line, Buffer.from(reply.bytes, 'base64'), reply.reason)
            break
          case 'error':
            throw failure ?? this.failureOf(reply.error)
          case 'result':
            if (!reply.result) throw this.unreadable()
            return reply.result
        }
      }
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === 'ECONNRESET' ? this.gone(error) : error
    } finally {
      request.destroy()
    }
    throw failure ?? this.gone()
  }

  private async ask(path: string, body?: object): Promise<string> {
    const request = httpRequest(this.to({ method: body ? 'POST' : 'GET', path }))
    request.end(body && JSON.stringify(body))
    return this.textOf(await this.answer(request))
  }

  private async textOf(response: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
    } catch (error) {
      throw this.gone(error)
    }
    return Buffer.concat(chunks).toString('utf8')
  }

  /** The answer's beginning. Throws what the owner failed with, and OWNER_GONE where there is none. */
  private async answer(request: ReturnType<typeof httpRequest>): Promise<IncomingMessage> {
    let response: IncomingMessage
    try {
      ;[response] = (await once(request, 'response')) as [IncomingMessage]
    } catch (error) {
      throw this.gone(error)
    }
    // Later errors of the request show in the answer, which then ends early.
    for (const end of [request, response]) end.on('error', () => undefined)
    if (response.statusCode === 200) return response
    throw this.failureOf(this.parsed<ErrorData>(await this.textOf(response)))
  }

  /** An answer, or a line of one. */
  private parsed<T extends object>(text: string): T {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {}
    if (typeof value === 'object' && value !== null) return value as T
    throw this.unreadable()
  }

  private failureOf(data: Partial<ErrorData> | undefined): EngineError {
    const isOne = typeof data?.code === 'string' && typeof data.message === 'string' && typeof data.advice === 'string'
    return isOne ? fromData(data as ErrorData) : this.unreadable()
  }

  private unreadable(): EngineError {
    return new EngineError('BAD_ANSWER', `${this.owner} answers in another way`, 'Use the same version of packmill on both sides.')
  }

  private to(options: RequestOptions): RequestOptions {
    return { socketPath: this.socketPath, agent: false, ...options }
  }

  private gone(cause?: unknown): EngineError {
    return new EngineError(
      'OWNER_GONE',
      `${this.owner} ended, or does not answer any more`,
      'Run the same command again: it goes on where it stopped.',
      { cause },
    )
  }
}
