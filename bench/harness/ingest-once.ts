// One round: a server, the load, and what the log holds afterwards. Three servers: the door over HTTP with its log, Node's bare HTTP server, and the
// whole of `packmill up`.
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { inChild } from './in-child.ts'
import type { LoadAnswer, LoadOrder } from './ingest-load.ts'
import type { RecountAnswer, RecountOrder } from './ingest-recount.ts'
import type { FromServer } from './ingest-server.ts'

const packmill = join(import.meta.dirname, '..', '..', 'cli', 'packmill.mjs')
const CONNECTIONS = 64
export const BATCH_EVENTS = 500
/** Not measured: for the compiler, and for the first journal file. */
const WARM_UP_BATCHES = 200

export interface IngestAnswer extends LoadAnswer {
  eventsPerSecond: number
  /** The server's, all threads; where it is known. */
  serverCpuSeconds: number
  recount: RecountAnswer | undefined
}

interface Server {
  port: number
  cpuSeconds(): Promise<number>
  stop(): Promise<void>
  kill(): void
}

/** The door and the log into a new folder. */
export const ingestOnce = (folder: string, batches: number) =>
  around(() => start(join(import.meta.dirname, 'ingest-server.ts'), folder), batches, folder)

/** Bodies are read and dropped. */
export const bareOnce = (batches: number) => around(() => start(join(import.meta.dirname, 'ingest-server.ts'), ''), batches, undefined)

/** With clickstream and the tables. */
export const upOnce = (folder: string, batches: number) => around(() => up(folder), batches, folder)

async function around(begin: () => Promise<Server>, batches: number, folder: string | undefined): Promise<IngestAnswer> {
  const server = await begin()
  const load = (batches: number, firstId: number) =>
    inChild<LoadOrder, LoadAnswer>('ingest-load', {
      port: server.port,
      batches,
      batchEvents: BATCH_EVENTS,
      connections: CONNECTIONS,
      firstId,
    })
  let answer: LoadAnswer
  let serverCpuSeconds: number
  try {
    await load(WARM_UP_BATCHES, 0)
    const before = await server.cpuSeconds()
    answer = await load(batches, WARM_UP_BATCHES * BATCH_EVENTS)
    serverCpuSeconds = (await server.cpuSeconds()) - before
  } catch (error) {
    server.kill()
    throw error
  }
  await server.stop()
  const events = batches * BATCH_EVENTS
  const recount =
    folder === undefined
      ? undefined
      : await inChild<RecountOrder, RecountAnswer>('ingest-recount', { folder, events: events + WARM_UP_BATCHES * BATCH_EVENTS })
  return { ...answer, serverCpuSeconds, eventsPerSecond: events / answer.seconds, recount }
}

async function start(program: string, folder: string): Promise<Server> {
  const child = fork(program, [folder], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ended = watch(child, 'the server')
  const next = () => Promise.race([ended, new Promise<FromServer>((resolve) => child.once('message', resolve))])
  const first = (await next()) as Extract<FromServer, { type: 'port' }>
  const ask = async (message: 'cpu' | 'stop') => {
    const answered = next()
    child.send(message)
    return ((await answered) as Extract<FromServer, { cpuSeconds: number }>).cpuSeconds
  }
  return {
    port: first.port,
    cpuSeconds: () => ask('cpu'),
    stop: async () => void (await ask('stop')),
    kill: () => void child.kill('SIGKILL'),
  }
}

async function up(folder: string): Promise<Server> {
  const args = [
    packmill,
    'up',
    '--port',
    '0',
    '--data',
    folder,
    '--json',
    '--every',
    '86400',
    '--stop-within',
    '600',
    '--set',
    'logLevel=warn',
  ]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = watch(child, 'packmill up')
  const lines = createInterface({ input: child.stdout })
  const line = (await Promise.race([ended, new Promise<string>((resolve) => lines.once('line', resolve))])) as string
  lines.resume()
  const { http } = JSON.parse(line) as { http: string }
  return {
    port: Number(new URL(http).port),
    cpuSeconds: () => Promise.resolve(Number.NaN),
    kill: () => void child.kill('SIGKILL'),
    async stop() {
      const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
      child.kill('SIGTERM')
      await closed
    },
  }
}

/** Rejects where it ends by an error. An interrupted bench leaves nobody behind. */
function watch(child: ChildProcess, what: string): Promise<never> {
  const kill = () => child.kill('SIGKILL')
  process.prependOnceListener('exit', kill)
  const ended = new Promise<never>((_, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      process.off('exit', kill)
      if (code !== 0) reject(new Error(`${what} ended with ${signal ?? code}`))
    })
  })
  ended.catch(() => undefined)
  return ended
}
