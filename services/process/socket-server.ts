// The owner's end of the local socket: what other processes ask of the data folder, answered by the Embedded of this one.
//
// Owns the socket and the requests under way; decides nothing about events. Whoever may open the socket may read and import: it belongs to the
// user that runs the process (mode 0600).
// 1. A guest's import ends before the process does: its body is cut, what it brought is committed, and it is told to come again.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import hyperid from 'hyperid'
import { EngineError, toData } from '../../engine/errors.ts'
import type { DeadLetterRequest } from './dead-letters.ts'
import type { Embedded } from './embedded.ts'
import { makeSocketPath, removeSocket } from './socket-path.ts'
import { CUT_SHORT, type ImportReply, type SettleRequest, type SqlRequest, type StateQuestion } from './socket-protocol.ts'
import type { LineFormat, Skippable } from './web-log.ts'

/** A statement is text that a person or a program wrote. */
export const REQUEST_BYTES_MAX = 16 << 20
/** How long a guest may take to read the answer to its last request. */
const READ_MS = 2_000

const AGAIN = 'Run the same command again: it goes on where it stopped.'
const STOPPED = new EngineError('STOPPED', 'the process that owns the data folder was stopped meanwhile', AGAIN)
const SAME_VERSION = 'Use the same version of packmill on both sides.'
const SENDER_GONE = new EngineError('CUT_SHORT', 'the sender stopped', AGAIN)

export interface SocketServer {
  /** Resolves when no request is under way. New ones are still taken. */
  idle(): Promise<void>
  /** Removes the socket, and resolves when the imports that it cuts short have ended (1). Before the folder is given back. */
  cut(): Promise<void>
  /** Waits for the answers to be read, for a while. Whatever requests still wait for must have ended. */
  close(): Promise<void>
}

/** What a folder of a topology of one's own has no answer to may be missing. */
export type Answering = Pick<Embedded, 'query' | 'queryText' | 'stats' | 'lag' | 'state'> &
  Partial<Pick<Embedded, 'import' | 'settle' | 'deadLetters'>>

/** A request of a guest: as it begins, and with its time when it has been answered. */
export interface RequestNotice {
  id: string
  request: string
  ms?: number
  error?: Error
}

/** Listens in the data folder, which this process owns. Rejects with SOCKET_FAILED. */
export async function serveSocket(
  embedded: Answering,
  folder: string,
  onRequest: (notice: RequestNotice) => void = () => undefined,
): Promise<SocketServer> {
  const newId = hyperid({ urlSafe: true })
  const underWay = new Set<Promise<void>>()
  const imports = new Map<AbortController, Promise<unknown>>()

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<unknown> => {
    const url = new URL(request.url ?? '/', 'http://local')
    const json = (value: unknown) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
    switch (`${request.method} ${url.pathname}`) {
      case 'GET /stats':
        return void json(await embedded.stats())
      case 'POST /sql': {
        const { sql, format } = await bodyOf<SqlRequest>(request)
        if (format === undefined) return void json(await embedded.query(sql))
        return void response.setHeader('content-type', 'text/plain; charset=utf-8').end(await embedded.queryText(sql, format))
      }
      case 'GET /lag':
        return void json(await embedded.lag())
      case 'POST /state': {
        const { request: asked, partitions } = await bodyOf<StateQuestion>(request)
        return void json(await embedded.state(asked, partitions))
      }
      case 'POST /dlq':
        if (!embedded.deadLetters) break
        return void json(await embedded.deadLetters(await bodyOf<DeadLetterRequest>(request)))
      case 'POST /settle':
        if (!embedded.settle) break
        await embedded.settle(await bodyOf<SettleRequest>(request))
        return void json({})
      case 'POST /import':
        if (!embedded.import) break
        return importBody(embedded.import.bind(embedded), request, response, url.searchParams)
    }
    throw new EngineError('NO_SUCH_REQUEST', `${request.method} ${url.pathname}`, SAME_VERSION)
  }

  /** Its failure is told in the answer, and returned. */
  const importBody = async (
    importLines: Embedded['import'],
    request: IncomingMessage,
    response: ServerResponse,
    asked: URLSearchParams,
  ): Promise<unknown> => {
    const say = (reply: ImportReply) => void response.write(`${JSON.stringify(reply)}\n`)
    const control = new AbortController()
    response.setHeader('content-type', 'application/x-ndjson').flushHeaders()
    const importing = importLines(chunksOf(request, control.signal), {
      org: asked.get('org') ?? undefined,
      name: asked.get('name') ?? undefined,
      format: (asked.get('format') ?? undefined) as LineFormat | undefined,
      product: asked.get('product') ?? undefined,
      skip: asked.getAll('skip') as Skippable[],
      again: asked.has('again'),
      onProgress: (progress) => say({ type: 'progress', progress }),
      onReject: (line, bytes, reason) => say({ type: 'reject', line, bytes: Buffer.from(bytes).toString('base64'), reason }),
    })
    imports.set(control, importing)
    try {
      const result = await importing
      say({ type: 'result', result })
    } catch (error) {
      say({ type: 'error', error: toData(error) })
      return error
    } finally {
      imports.delete(control)
      response.end()
    }
  }

  const server = createServer((request, response) => {
    const closed = new Promise<void>((resolve) => response.once('close', resolve))
    const known = { id: newId(), request: `${request.method} ${request.url}` }
    const startMs = performance.now()
    onRequest(known)
    const answered = handle(request, response)
      .catch((error: unknown) => {
        if (response.headersSent) response.destroy()
        else response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify(toData(error)))
        return error
      })
      .then((error) => onRequest({ ...known, ms: Math.round(performance.now() - startMs), ...(error instanceof Error ? { error } : {}) }))
    const done = answered.then(() => closed).finally(() => underWay.delete(done))
    underWay.add(done)
  })
  // An import may send for hours, and a query may run long.
  server.requestTimeout = 0
  const path = makeSocketPath(folder)
  // The socket is made within the call of listen: nothing else is made with this mask.
  const umask = process.umask(0o177)
  const listening = new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
  process.umask(umask)
  try {
    await listening
  } catch (cause) {
    throw new EngineError(
      'SOCKET_FAILED',
      `${path} cannot be listened on: ${(cause as Error).message}`,
      'Choose a data folder on a disk that can hold sockets, with --data.',
      { cause },
    )
  }

  let closed: Promise<void> | undefined
  const idle = async () => {
    while (underWay.size > 0) await Promise.allSettled(underWay)
  }
  return {
    idle,
    async cut() {
      closed = new Promise((resolve) => server.close(() => resolve()))
      removeSocket(folder)
      for (const control of imports.keys()) control.abort()
      await Promise.allSettled(imports.values())
    },
    async close() {
      const patience = setTimeout(() => server.closeAllConnections(), READ_MS)
      await idle()
      clearTimeout(patience)
      await closed
    },
  }
}

async function bodyOf<T>(request: IncomingMessage): Promise<T> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    if ((size += chunk.length) > REQUEST_BYTES_MAX)
      throw new EngineError('REQUEST_TOO_LARGE', `a request has at most ${REQUEST_BYTES_MAX} bytes`, 'Ask for less at once.')
    chunks.push(chunk)
  }
  let body: unknown
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {}
  if (typeof body === 'object' && body !== null) return body as T
  throw new EngineError('BAD_REQUEST', `the body of ${request.method} ${request.url} is no JSON object`, SAME_VERSION)
}

/** The body's chunks. Fails where the sender did, and when the signal comes; the connection stays, for the answer. */
async function* chunksOf(request: IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const chunks = (request as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
  let stop = () => {}
  const onAbort = () => stop()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    for (;;) {
      const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        stop = () => reject(STOPPED)
        if (signal.aborted) stop()
        else chunks.next().then(resolve, () => reject(SENDER_GONE))
      })
      if (!next.done) yield next.value
      else if (request.trailers[CUT_SHORT] !== undefined) throw SENDER_GONE
      else return
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
