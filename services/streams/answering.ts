// What a process that runs a topology of one's own answers to other commands, through its local socket: its tables, how far it is, what is in its state.
// Owns the socket; nothing can be put in through it.
import { EngineError } from '../../engine/errors.ts'
import { type Answering, type SocketServer, serveSocket } from '../process/socket-server.ts'
import type { StreamsProcess } from './open-streams.ts'

/** Listens in the data folder until it is cut. Rejects with SOCKET_FAILED. */
export function answerOthers(streams: StreamsProcess, folder: string): Promise<SocketServer> {
  const answering: Answering = {
    query: async <T>(sql: string) => tablesOf(streams).query<T>(sql),
    queryText: async (sql, format) => tablesOf(streams).queryText(sql, format),
    stats: async () => ({ tasks: await streams.stats(), sinks: (await streams.tables?.stats()) ?? [], ends: {}, backlogBytes: 0 }),
    lag: () => streams.lag(),
    state: (request, partitions) => streams.state(request, partitions),
  }
  return serveSocket(answering, folder)
}

function tablesOf({ tables, topology }: StreamsProcess) {
  if (tables) return tables
  throw new EngineError(
    'NO_TABLES',
    `topology ${topology.name}, which runs in this folder, declares no tables`,
    'Declare one, as in .to(topic, { table, columns }); its results are in the output of `packmill run`, or where --out puts them.',
  )
}
