// The one place where kafkajs is set up: connection, TLS, SASL, retries, codecs. Owns nothing that lives.
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import kafkajs, { type Cluster, type ISocketFactory, type Kafka, type KafkaConfig, type SASLOptions } from 'kafkajs'
import { mendKafkajs } from './mend-kafkajs.ts'

// A CommonJS module: Node finds only some of its names.
const { CompressionCodecs, CompressionTypes, Kafka: Client, logLevel } = kafkajs

export interface KafkaConnection {
  /** host:port, … */
  brokers: readonly string[]
  /** How this process is called in the broker's log and quotas. */
  clientId?: string
  tls?: {
    /** PEM; the machine's own authorities where absent. */ ca?: string /** Client certificate and key, PEM. */
    cert?: string
    key?: string
  }
  sasl?: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string }
}

mendKafkajs()

/** Of one request; a broker that says nothing for longer is taken for gone. */
const REQUEST_MS = 20_000
const KEEP_ALIVE_MS = 60_000
/** Of each step inside kafkajs, which has steps within steps: what they cannot mend at once, whoever called tries again. */
export const RETRY = { initialRetryTime: 20, multiplier: 2, factor: 0.2, maxRetryTime: 200, retries: 3 }
/** Of a producer's calls as a whole: the pauses grow to half a second, and end after about ten: longer than a new leader takes to be told of. */
export const PRODUCER_RETRY = { initialRetryTime: 5, multiplier: 1.6, factor: 0.2, maxRetryTime: 500, retries: 24 }

// What kafkajs itself reads and writes; gzip is there. Packmill's own reading undoes more (record-batch.ts).
const zstd = {
  compress: ({ buffer }: { buffer: Buffer }) => promisify(zstdCompress)(buffer),
  decompress: (buffer: Buffer) => promisify(zstdDecompress)(buffer),
}
CompressionCodecs[CompressionTypes.ZSTD] = () => zstd

export interface ClientOptions {
  /** A request without an answer for so long has failed. Default 20 s. */
  requestMs?: number
  /** Ends all connections, with what is on its way there; none is made any more. */
  signal?: AbortSignal
}

export function kafkaClient(
  { brokers, clientId = 'packmill', tls, sasl }: KafkaConnection,
  { requestMs = REQUEST_MS, signal }: ClientOptions = {},
): Kafka {
  const config: KafkaConfig = {
    brokers: [...brokers],
    clientId,
    connectionTimeout: 5_000,
    authenticationTimeout: 10_000,
    requestTimeout: requestMs,
    retry: RETRY,
    // What goes wrong is thrown, and said once by whoever it concerns.
    logLevel: logLevel.NOTHING,
    logCreator: () => () => undefined,
  }
  if (tls) config.ssl = { ...(tls.ca && { ca: [tls.ca] }), ...(tls.cert && { cert: tls.cert }), ...(tls.key && { key: tls.key }) }
  // A copy: kafkajs puts functions of its own into it, and a connection is sent to threads.
  if (sasl) config.sasl = { ...sasl } as SASLOptions
  config.socketFactory = socketFactory(signal)
  return new Client(config)
}

/** As kafkajs' own; but a request behind another on the same connection does not wait until the broker's machine has acknowledged that one (up to 40 ms). */
function socketFactory(signal?: AbortSignal): ISocketFactory {
  const open = new Set<Socket>()
  // With an error: kafkajs is told of no other end that is not the broker's, and would wait for answers.
  const endAll = () => {
    for (const socket of open) socket.destroy(connectionEnded())
  }
  signal?.addEventListener('abort', endAll, { once: true })
  return ({ host, port, ssl, onConnect }) => {
    if (signal?.aborted) throw connectionEnded()
    const socket = ssl
      ? connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...ssl }, onConnect)
      : connectPlain({ host, port }, onConnect)
    socket.setKeepAlive(true, KEEP_ALIVE_MS).setNoDelay(true)
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    return socket
  }
}

/** `work`; or, where the signal comes first, a failure: kafkajs tries on for a while without connections, and nobody waits for that. */
export async function unlessEnded<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (!signal) return work
  const ended = Promise.withResolvers<never>()
  const end = () => ended.reject(connectionEnded())
  if (signal.aborted) end()
  else signal.addEventListener('abort', end, { once: true })
  try {
    return await Promise.race([work, ended.promise])
  } finally {
    signal.removeEventListener('abort', end)
  }
}

const connectionEnded = () => Object.assign(new Error('closed by this process'), { name: 'ConnectionEnded' })

/**
 * A client of brokers below kafkajs' consumers, which read only as members of a group: each new partition would be a rebalance, and a read from
 * an offset a seek. kafkajs hands its cluster, whose fetch and offsets are what is needed here, to a consumer's partition assigner; the consumer
 * itself is never started. Offsets asked of it are those of committed records, unless `uncommitted`.
 */
export function clusterOf(kafka: Kafka, uncommitted = false): Cluster {
  let cluster: Cluster | undefined
  kafka.consumer({
    groupId: 'packmill.no-group',
    allowAutoTopicCreation: false,
    readUncommitted: uncommitted,
    partitionAssigners: [
      (given) => {
        cluster = given.cluster
        return { name: 'none', version: 0, assign: async () => [], protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }) }
      },
    ],
  })
  if (!cluster) throw new Error('kafkajs gives assigners no cluster any more')
  return cluster
}
