// A data folder to work with, whoever owns it: this process, when the folder is free; else the process that does, through its local socket.
//
// Owns the choice, and the order of stopping where other processes are guests. Commands know only Local.
import type { LockOwner } from '../../stores/files/folder-lock.ts'
import { folderOwner } from '../../stores/files/folder-lock.ts'
import type { HttpServer } from '../ingest/http-server.ts'
import { type Embedded, type EmbeddedOptions, type Notice, openEmbedded } from './embedded.ts'
import { SocketClient } from './socket-client.ts'
import { findSocketPath } from './socket-path.ts'
import { serveSocket } from './socket-server.ts'

export interface Local extends Pick<Embedded, 'import' | 'settle' | 'stats' | 'lag' | 'state' | 'deadLetters'> {
  query<T = Record<string, unknown>>(sql: string): Promise<T[]>
  queryText(sql: string, format: string): Promise<string>
  /** Where events are taken over HTTP, where they are. */
  readonly httpPort?: number
  /** Several files, decoded in parallel; not where another process does the work. */
  readonly ahead: Embedded['ahead'] | undefined
  /** All that another folder took, computed anew here; only in a process that owns this one. */
  readonly rebuild?: Embedded['rebuild']
  /** The process that does the work, where it is another one. */
  readonly owner: LockOwner | undefined
  /** What the end of this process's part waits for, in words. */
  underWay(): readonly string[]
  /** Ends this process's part. `at once`: guests are told to come again; else they may first finish what they asked for. */
  stop(how?: 'at once'): Promise<void>
}

/** Asked this often whether an owner that is just starting or stopping has done so. */
const RETRY_MS = 100
const RETRIES_MS = 5_000

export interface OwnerOptions extends EmbeddedOptions {
  /** Takes events over HTTP. `port` 0: any free one; `org`: for events without orgId. */
  http?: { port: number; org?: string }
}

/** Opens the folder in this process and serves its socket. Errors: those of openEmbedded, DATA_LOCKED among them; SOCKET_FAILED; those of listenHttp. */
export async function openOwner(options: OwnerOptions): Promise<Local> {
  // A port that is taken is found before anything is recovered; but whose folder it is comes first.
  let http = options.http && !folderOwner(options.config.data) ? await listen(options.http) : undefined
  const onNotice = (notice: Notice) => {
    if (notice.type === 'partition-stopped') http?.partitionIs(notice.partition, 'stopped')
    else if (notice.type === 'partitions' && notice.is !== 'failed') for (const own of notice.partitions) http?.partitionIs(own, 'working')
    else if (notice.type === 'sink-stopped') http?.sinkIs(notice.table, 'stopped')
    else if (notice.type === 'sink-waiting') http?.sinkIs(notice.table, 'waiting')
    else if (notice.type === 'sink-resumed') http?.sinkIs(notice.table, 'working')
    options.onNotice(notice)
  }
  let embedded: Embedded | undefined
  let server: Awaited<ReturnType<typeof serveSocket>> | undefined
  try {
    embedded = await openEmbedded({ ...options, onNotice })
    server = await serveSocket(embedded, options.config.data, (request) => onNotice({ type: 'request', ...request }))
    if (options.http) {
      http ??= await listen(options.http)
      await openDoor(http, embedded, options.http.org)
    }
  } catch (error) {
    await http?.stop().catch(() => undefined)
    await server?.cut()
    await embedded?.stop()
    throw error
  }
  return {
    httpPort: http?.port,
    owner: undefined,
    import: (stream, how) => embedded.import(stream, how),
    ahead: (paths, lines) => embedded.ahead(paths, lines),
    rebuild: (from, onProgress, sinceMs) => embedded.rebuild(from, onProgress, sinceMs),
    settle: (asked) => embedded.settle(asked),
    query: (sql) => embedded.query(sql),
    queryText: (sql, format) => embedded.queryText(sql, format),
    stats: () => embedded.stats(),
    lag: () => embedded.lag(),
    state: (request, partitions) => embedded.state(request, partitions),
    deadLetters: (request) => embedded.deadLetters(request),
    underWay: () => embedded.underWay.list,
    async stop(how) {
      const { underWay } = embedded
      const [door] = await Promise.allSettled([underWay.during('requests over HTTP', http?.stop())])
      if (how !== 'at once') await server.idle()
      await underWay.during('requests of other commands', server.cut())
      try {
        await embedded.stop()
      } finally {
        await server.close()
      }
      if (door.status === 'rejected') throw door.reason
    },
  }
}

/** Loaded where it is wanted: other commands do not wait for it. */
const httpModule = () => import('../ingest/http-server.ts')
const listen = async (options: { port: number }): Promise<HttpServer> => (await httpModule()).listenHttp(options)

async function openDoor(http: HttpServer, embedded: Embedded, org: string | undefined): Promise<void> {
  const { newEventId } = await httpModule()
  const ingest = await embedded.ingest({ org, nowMs: Date.now, newId: newEventId, onCommit: (commit) => http.metrics.committed(commit) })
  http.open(ingest, embedded)
}

/** As openOwner; where a living process owns the folder and answers, through that one. Else its DATA_LOCKED, which says who it is. */
export const openLocal = (options: EmbeddedOptions): Promise<Local> =>
  aloneOrThrough(
    options.config.data,
    () => openOwner(options),
    (guest) => Promise.resolve(guest),
  )

/** What `alone` does in a folder that is nobody's; where a living process owns it and answers, `through` that one. Errors: DATA_LOCKED where it does not answer. */
export async function aloneOrThrough<T>(folder: string, alone: () => Promise<T>, through: (guest: Local) => Promise<T>): Promise<T> {
  for (let waitedMs = 0; ; waitedMs += RETRY_MS) {
    let locked: unknown
    try {
      return await alone()
    } catch (error) {
      if ((error as { code?: string }).code !== 'DATA_LOCKED') throw error
      locked = error
    }
    const guest = await connect(folder)
    if (guest) return through(guest)
    if (waitedMs >= RETRIES_MS) throw locked
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

/** The folder through its owner, if a living one answers. */
export async function connect(folder: string): Promise<Local | undefined> {
  const owner = folderOwner(folder)
  if (!owner) return undefined
  const client = new SocketClient(findSocketPath(folder), `process ${owner.pid} (${owner.command || 'packmill'}), which owns ${folder},`)
  try {
    await client.stats()
  } catch {
    return undefined
  }
  return {
    owner,
    import: (stream, how) => client.import(stream, how),
    ahead: undefined,
    settle: (asked) => client.settle(asked),
    query: (sql) => client.query(sql),
    queryText: (sql, format) => client.queryText(sql, format),
    stats: () => client.stats(),
    lag: () => client.lag(),
    state: (request, partitions) => client.state(request, partitions),
    deadLetters: (request) => client.deadLetters(request),
    underWay: () => [],
    stop: async () => undefined,
  }
}
