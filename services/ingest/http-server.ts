// The door over HTTP: events in, and how the process is. Owns the port and the requests under way; what an event is, and when it is
// durable, belongs to Ingest.
//
// 1. There are no keys yet, so it listens on loopback and nowhere else, and answers only under the names of loopback.
// 2. It listens before the process is ready, and says so: a port that is taken is found before anything is recovered.
// 3. Every answer that is no success is JSON: { code, message }. A 503 says after how many seconds to try again, but where
//    a partition or a table has stopped (/readyz): that does not pass by itself.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import hyperid from 'hyperid'
import { EngineError } from '../../engine/errors.ts'
import type { Accepted } from '../../model/door.ts'
import type { BodyError } from '../../model/event-array.ts'
import { HttpError, type Refusal } from './http-error.ts'
import type { Ingest } from './ingest.ts'
import { IngestMetrics, type Observed } from './ingest-metrics.ts'
import { type Body, BodyBuffers, readBody } from './read-body.ts'
import { bodyOf, refusalOfParser, refuseResponse, refuseSocket } from './refuse-raw.ts'

export const HOST = '127.0.0.1'
/** What the host header may say without its port. */
const LOOPBACK_NAMES: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]', '::1', ''])
const BATCH_PATH = '/v1/events/batch'
/** The paths that there are, and what they take. */
const METHODS: Readonly<Record<string, 'GET' | 'POST'>> = { [BATCH_PATH]: 'POST', '/healthz': 'GET', '/readyz': 'GET', '/metrics': 'GET' }
const BODY_TIMEOUT_MS = 30_000
/** Of a request as a whole, a refused one included, whose rest is dropped. Checked by Node now and then. */
const REQUEST_TIMEOUT_MS = 60_000
/** How long requests that are under way may take when the process stops. */
const STOP_MS = 5_000

export interface HttpOptions {
  /** 0: any free one. */
  port: number
  bodyTimeoutMs?: number
  bodyBytesMax?: number
  nowMs?: () => number
  /** Calls back after so many ms, unless the function that it returns is called before. */
  startTimer?: (ms: number, callback: () => void) => () => void
}

export interface HttpServer {
  readonly port: number
  readonly metrics: IngestMetrics
  /** From now on events are taken. */
  open(ingest: Ingest, observed: Observed): void
  /** A partition that cannot go on (its events are still taken), and one that does or that another process has now. */
  partitionIs(partition: number, state: 'working' | 'stopped'): void
  /** A sink that waits for what may pass, one that goes on, and one that cannot go on. */
  sinkIs(table: string, state: 'waiting' | 'working' | 'stopped'): void
  /** Takes nothing new, answers what is under way, commits. */
  stop(): Promise<void>
}

export const newEventId = hyperid({ urlSafe: true })

/** Listens. Errors: PORT_IN_USE, PORT_FORBIDDEN. */
export async function listenHttp(options: HttpOptions): Promise<HttpServer> {
  const { port, bodyTimeoutMs: timeoutMs = BODY_TIMEOUT_MS, bodyBytesMax: bytesMax, nowMs = Date.now, startTimer = startTimeout } = options
  const metrics = new IngestMetrics()
  const buffers = new BodyBuffers()
  const stopped = new Set<number>()
  const sinks = new Map<string, 'waiting' | 'stopped'>()
  const sinksThat = (are: 'waiting' | 'stopped') => [...sinks].flatMap(([table, state]) => (state === are ? table : [])).sort()
  let open: { ingest: Ingest; observed: Observed } | undefined
  let isStopping = false

  /** Requests that wait for their answer, by their connection. */
  const underWay = new WeakMap<Socket, IncomingMessage>()
  const app = fastify({
    logger: false,
    // Node refuses one without a body to its answer; `onRequest` does it with one.
    http: { requireHostHeader: false },
    frameworkErrors: (_, request, reply) => {
      metrics.answered('none', 400)
      refuse(reply, {
        status: 400,
        code: 'BAD_URL',
        message: `${request.url.slice(0, 200)} is not well encoded: events go to POST ${BATCH_PATH}`,
      })
    },
    clientErrorHandler: (error, socket) => {
      // The answer would be taken for that of the request before, whose batch may be in the log.
      if (error.code === 'ECONNRESET' || underWay.get(socket)?.complete) return void socket.destroy()
      const refusal = refusalOfParser(error)
      metrics.answered('none', refusal.status)
      refuseSocket(socket, refusal)
    },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    exposeHeadRoutes: true,
  })
  app.removeAllContentTypeParsers()
  /** Bytes that a request holds: one that came before a stop is finished. */
  const held = new WeakMap<FastifyRequest, number>()
  app.addContentTypeParser('application/json', async (request: FastifyRequest) => {
    const { ingest } = ready()
    const reading = readBody(request.raw, {
      bytesMax,
      timeoutMs,
      startTimer,
      buffers,
      reserve: (bytes) => {
        if (!ingest.reserve(bytes)) return false
        held.set(request, (held.get(request) ?? 0) + bytes)
        return true
      },
    })
    // A sender that goes away gets no answer.
    return reading.catch((error: unknown) => {
      if ((error as { code?: string }).code === 'CONNECTION_CLOSED') metrics.aborted()
      free(request)
      throw error
    })
  })
  const free = (request: FastifyRequest) => {
    open?.ingest.give(held.get(request) ?? 0)
    held.delete(request)
  }
  app.addHook('onResponse', async (request, reply) => {
    underWay.delete(request.raw.socket)
    metrics.answered(request.routeOptions.url ?? 'none', reply.statusCode)
    free(request)
  })
  app.server.on('checkExpectation', (request: IncomingMessage, response) => {
    metrics.answered('none', 417)
    const message = `the expectation ${request.headers.expect?.slice(0, 100)} is not met here: send the request without it`
    refuseResponse(response, { status: 417, code: 'EXPECTATION_FAILED', message })
  })
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0]!
    if (Object.hasOwn(METHODS, path)) return refuseMethod(reply, path)
    return refuse(reply, {
      status: 404,
      code: 'NOT_FOUND',
      message: `there is no ${request.url.slice(0, 200)}: events go to POST ${BATCH_PATH}`,
    })
  })
  app.setErrorHandler((error, request, reply) => refuse(reply, refusalOf(error, request)))

  // A page of another site, whose name suddenly leads here, is a stranger too.
  app.addHook('onRequest', async (request, reply) => {
    underWay.set(request.raw.socket, request.raw)
    // HTTP/1.0 knows no host.
    if (request.raw.headers.host === undefined && request.raw.httpVersion !== '1.0')
      return refuse(reply, { status: 400, code: 'HOST_MISSING', message: `the request has no host header: it is ${HOST}, with the port` })
    if (!LOOPBACK_NAMES.has(request.hostname.toLowerCase()))
      return refuse(reply, {
        status: 403,
        code: 'FORBIDDEN_HOST',
        message: `this is ${HOST}, for this machine: send to it under that name`,
      })
  })

  const ready = () => {
    if (isStopping) throw new HttpError(STOPPING)
    if (!open) throw new HttpError(STARTING)
    return open
  }

  app.post(BATCH_PATH, async (request, reply) => {
    const body = request.body as Body | undefined
    if (!body || body.length === 0)
      throw new HttpError({ status: 400, code: 'EMPTY_BODY', message: 'the request has no body: send {"events":[…]}' })
    const taking = open!.ingest.take(body)
    // The door has read it.
    buffers.give(body.bytes)
    // Whether or not somebody is there still to be answered.
    const answer = await taking.finally(() => free(request))
    if ('code' in answer) throw new HttpError({ status: answer.code === 'TOO_MANY_EVENTS' ? 413 : 400, ...answer })
    metrics.batch(body.length, answer.accepted, answer.late, answer.clamped, answer.rejected)
    return reply.code(202).header('content-type', 'application/json').send(textOf(answer))
  })
  allowOnly(app, BATCH_PATH)

  app.get('/healthz', async () => ({ status: 'alive' }))
  app.get('/readyz', async (_, reply) => {
    if (isStopping) return refuse(reply, STOPPING)
    if (!open) return refuse(reply, STARTING)
    const stoppedPartitions = [...stopped].sort((a, b) => a - b)
    const found = { stoppedPartitions, stoppedSinks: sinksThat('stopped'), waitingSinks: sinksThat('waiting') }
    if (stoppedPartitions.length > 0) {
      const message = `partition ${stoppedPartitions.join(', ')} cannot go on: its error was logged. Its events are taken and kept.`
      return reply.code(503).send({ code: 'PARTITION_STOPPED', message, ...found })
    }
    if (found.stoppedSinks.length > 0) {
      const message = `the sink into ${found.stoppedSinks.join(', ')} cannot go on: its error was logged. Its rows stay in the log.`
      return reply.code(503).send({ code: 'SINK_STOPPED', message, ...found })
    }
    return { status: 'ready', ...found }
  })
  app.get('/metrics', async (_, reply) => {
    const isReady = open !== undefined && !isStopping && stopped.size === 0 && sinksThat('stopped').length === 0
    const state = { ready: isReady, waitingBytes: open?.ingest.waitingBytes ?? 0, waitingSinks: sinksThat('waiting') }
    const text = await metrics.text(isStopping ? undefined : open?.observed, state, nowMs())
    return reply.header('content-type', metrics.registry.contentType).send(text)
  })
  for (const path of ['/healthz', '/readyz', '/metrics']) allowOnly(app, path)

  await listen(app, port)
  const address = app.server.address()
  return {
    port: typeof address === 'object' && address ? address.port : port,
    metrics,
    open(ingest, observed) {
      open = { ingest, observed }
    },
    partitionIs: (partition, state) => void (state === 'working' ? stopped.delete(partition) : stopped.add(partition)),
    sinkIs: (table, state) => void (state === 'working' ? sinks.delete(table) : sinks.set(table, state)),
    async stop() {
      isStopping = true
      const stopTimer = startTimer(STOP_MS, () => app.server.closeAllConnections())
      await app.close()
      stopTimer()
      await open?.ingest.stop()
    },
  }
}

async function listen(app: FastifyInstance, port: number): Promise<void> {
  try {
    await app.listen({ host: HOST, port })
  } catch (cause) {
    await app.close()
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EADDRINUSE')
      throw new EngineError(
        'PORT_IN_USE',
        `another process listens on ${HOST}:${port}`,
        'Choose another port with --port (0: any free one), or stop that process. --no-http goes without.',
        { cause },
      )
    if (code === 'EACCES')
      throw new EngineError('PORT_FORBIDDEN', `this user may not listen on port ${port}`, 'Choose one above 1023 with --port.', { cause })
    throw cause
  }
}

/** Other methods of a path that there is are told which one it has. */
function allowOnly(app: FastifyInstance, path: string): void {
  const taken = METHODS[path]
  app.route({
    method: (['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const).filter((method) => method !== taken),
    url: path,
    // Before its body is looked at.
    onRequest: async (_, reply) => refuseMethod(reply, path),
    handler: async () => undefined,
  })
}

function refuseMethod(reply: FastifyReply, path: string): FastifyReply {
  const method = METHODS[path]
  return refuse(reply.header('allow', method === 'GET' ? 'GET, HEAD' : method), {
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
    message: `${path} takes ${method} only`,
  })
}

const STARTING: Refusal = {
  status: 503,
  code: 'STARTING',
  message: 'the process is still starting: it opens its log and recovers what it knew',
  retryAfter: 1,
}
const STOPPING: Refusal = {
  status: 503,
  code: 'STOPPING',
  message: 'the process is stopping: send it again when it is back',
  retryAfter: 5,
  closes: true,
}

function refuse(reply: FastifyReply, refusal: Refusal): FastifyReply {
  const { status, retryAfter, closes } = refusal
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter)
  if (closes) reply.header('connection', 'close')
  return reply.code(status).header('content-type', 'application/json').send(bodyOf(refusal))
}

/** Whatever went wrong, as the sender shall hear it. */
function refusalOf(error: unknown, { headers, routeOptions }: FastifyRequest): Refusal {
  if (error instanceof HttpError) return error
  const { code, message, retryable, statusCode } = error as Error & { code?: string; retryable?: boolean; statusCode?: number }
  // Nobody reads it.
  if (code === 'CONNECTION_CLOSED') return { status: 400, code, message }
  if (code?.startsWith('FST_ERR_CTP'))
    return {
      status: 415,
      code: 'UNSUPPORTED_TYPE',
      message: `the content-type is ${headers['content-type']?.slice(0, 100) ?? 'missing'}: it must be application/json`,
    }
  const { isUndecided } = error as { isUndecided?: boolean }
  const taken = isUndecided
    ? 'whether this batch was taken is not known, send it again with the same eventIds'
    : 'nothing of this batch was taken'
  const what = routeOptions.url === BATCH_PATH ? `${taken}: ${message}` : message
  // The log's.
  if (retryable) return { status: 503, code: code ?? 'UNAVAILABLE', message: what, retryAfter: 5 }
  if (statusCode !== undefined && statusCode < 500) return { status: statusCode, code: code ?? 'BAD_REQUEST', message }
  return { status: 500, code: code ?? 'INTERNAL', message: what }
}

const ALL_ACCEPTED = (accepted: number) => `{"accepted":${accepted},"rejected":0,"errors":[]}`

function textOf({ accepted, rejected }: Exclude<Accepted, BodyError>): string {
  if (rejected.length === 0) return ALL_ACCEPTED(accepted)
  const errors = rejected.map(({ line, code, message }) => ({ index: line, code, message }))
  return JSON.stringify({ accepted, rejected: rejected.length, errors })
}

function startTimeout(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms)
  return () => clearTimeout(timer)
}
