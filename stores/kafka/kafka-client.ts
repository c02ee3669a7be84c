// The one place where kafkajs is set up: connection, TLS, SASL, retries, codecs. Owns nothing that lives.
import { createRequire } from 'node:module'
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import kafkajs, { type Cluster, type ISocketFactory, type Kafka, type KafkaConfig, type SASLOptions } from 'kafkajs'

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

// kafkajs 2.2.4 looks for requests that wait once per ms, on each connection and for ever (with a timer of negative length, of which Node warns): dozens of idle
// connections cost a core. It need only look where one waits, or the broker has asked for a pause.
interface RequestQueue {
  pending: unknown[]
  throttledUntil: number
  scheduleCheckPendingRequests(): void
}
const require = createRequire(import.meta.url)
const queue = (require('kafkajs/src/network/requestQueue/index.js') as { prototype: RequestQueue }).prototype
const schedule = queue.scheduleCheckPendingRequests
queue.scheduleCheckPendingRequests = function (this: RequestQueue) {
  if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this)
}

// And it goes on with the bytes of an answer that a broken connection brought half of: the next connection's answers are read at the wrong places, and each
// request waits for its timeout.
interface Connection {
  chunks: Buffer[]
  bytesBuffered: number
  bytesNeeded: number
  isConnected(): boolean
  connect(): Promise<boolean>
}
const connection = (require('kafkajs/src/network/connection.js') as { prototype: Connection }).prototype
const connect = connection.connect
connection.connect = function (this: Connection) {
  if (!this.isConnected()) Object.assign(this, { chunks: [], bytesBuffered: 0, bytesNeeded: 4 })
  return connect.call(this)
}

/** Of one request; a broker that says nothing for longer is taken for gone. */
const REQUEST_MS = 20_000
const KEEP_ALIVE_MS = 60_000
/** Of each step inside kafkajs, which has steps within steps: what they cannot mend at once, whoever called tries again. */
export const RETRY = { initialRetryTime: 20, multiplier: 2, factor: 0.2, maxRetryTime: 200, retries: 3 }
/** Of a producer's calls as a whole: the pauses grow to half a second, and end after about ten: longer than a new leader takes to be told of. */
export const PRODUCER_RETRY = { initialRetryTime: 5, multiplier: 1.6, factor: 0.2, maxRetryTime: 500, retries: 24 }

// Records of foreign producers. gzip is there; snappy and lz4 are not: KAFKA_COMPRESSION_UNKNOWN says what to do.
const zstd = {
  compress: ({ buffer }: { buffer: Buffer }) => promisify(zstdCompress)(buffer),
  decompress: (buffer: Buffer) => promisify(zstdDecompress)(buffer),
}
CompressionCodecs[CompressionTypes.ZSTD] = () => zstd

export interface ClientOptions {
  /** A request without an answer for so long has failed. Default 20 s. */
  requestMs?: number
  /** Of every connection that is made: whoever wants to end one that has requests on their way, for which kafkajs waits. */
  onSocket?(socket: Socket): void
}

export function kafkaClient(
  { brokers, clientId = 'packmill', tls, sasl }: KafkaConnection,
  { requestMs = REQUEST_MS, onSocket }: ClientOptions = {},
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
  config.socketFactory = socketFactory(onSocket)
  return new Client(config)
}

/** As kafkajs' own; but a request behind another on the same connection does not wait until the broker's machine has acknowledged that one (up to 40 ms). */
const socketFactory =
  (onSocket?: (socket: Socket) => void): ISocketFactory =>
  ({ host, port, ssl, onConnect }) => {
    const socket = ssl
      ? connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...ssl }, onConnect)
      : connectPlain({ host, port }, onConnect)
    socket.setKeepAlive(true, KEEP_ALIVE_MS).setNoDelay(true)
    onSocket?.(socket)
    return socket
  }

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
