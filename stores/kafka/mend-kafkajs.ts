// What kafkajs 2.2.4 does wrong below its clients, put right in its own classes, once per thread. Owns nothing that lives.
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'

interface RequestQueue {
  pending: unknown[]
  throttledUntil: number
  scheduleCheckPendingRequests(): void
  rejectAll(error: Error): void
}
interface Connection {
  host: string
  port: number
  socket: Socket | undefined
  chunks: Buffer[]
  bytesBuffered: number
  bytesNeeded: number
  requestQueue: RequestQueue
  isConnected(): boolean
  connect(): Promise<boolean>
  disconnect(): Promise<boolean>
}
interface Cluster {
  metadata(asked?: object): Promise<object | null>
}

const load = createRequire(import.meta.url)
const prototypeOf = <T>(path: string) => (load(path) as { prototype: T }).prototype
const { KafkaJSConnectionClosedError: ClosedError, KafkaJSBrokerNotFound: NoBrokerError } = load('kafkajs/src/errors.js') as {
  KafkaJSConnectionClosedError: new (message: string, of: { host: string; port: number }) => Error
  KafkaJSBrokerNotFound: new (message: string) => Error
}

let isMended = false

export function mendKafkajs(): void {
  if (isMended) return
  isMended = true
  mendQueue(prototypeOf<RequestQueue>('kafkajs/src/network/requestQueue/index.js'))
  mendConnection(prototypeOf<Connection>('kafkajs/src/network/connection.js'))
  mendCluster(prototypeOf<Cluster>('kafkajs/src/cluster/index.js'))
}

/** Where no broker answers it answers null, which whoever asked takes apart: a TypeError, in place of what is wrong. */
function mendCluster(cluster: Cluster): void {
  const { metadata } = cluster
  cluster.metadata = async function (asked) {
    const found = await metadata.call(this, asked)
    if (!found) throw new NoBrokerError('no broker has answered')
    return found
  }
}

/** It looks for requests that wait once per ms, on each connection and for ever (with a timer of negative length, of which Node warns): dozens of idle connections
 *  cost a core. It need only look where one waits, or the broker has asked for a pause. */
function mendQueue(queue: RequestQueue): void {
  const { scheduleCheckPendingRequests: schedule } = queue
  queue.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this)
  }
}

function mendConnection(connection: Connection): void {
  const { isConnected, connect, disconnect } = connection
  const connecting = new WeakMap<Connection, Promise<boolean>>()
  const rejectAll = ({ host, port, requestQueue }: Connection) =>
    requestQueue.rejectAll(new ClosedError('Closed connection', { host, port }))

  // While a connection ends it is one still: what is asked meanwhile over a socket that is gone has no answer, and, as the watch over it has ended, no timeout.
  connection.isConnected = function () {
    return isConnected.call(this) && this.socket !== undefined && !this.socket.destroyed
  }

  // Two who want it at once make two sockets, of which one is forgotten. It goes on with the bytes of an answer that a broken socket brought half of: the next
  // one's answers are read at the wrong places, and each request waits for its timeout. And of a socket that only closes it hears nothing.
  connection.connect = function () {
    if (this.isConnected()) return connect.call(this)
    const known = connecting.get(this)
    if (known) return known
    Object.assign(this, { chunks: [], bytesBuffered: 0, bytesNeeded: 4 })
    rejectAll(this)
    const connected = connect.call(this).finally(() => connecting.delete(this))
    connecting.set(this, connected)
    const { socket } = this
    socket?.once('close', () => {
      if (this.socket === socket) rejectAll(this)
    })
    return connected
  }

  // What it waits for is there only as long as the socket is; and each end of one that is gone already leaves a listener there.
  connection.disconnect = async function () {
    if (this.socket?.destroyed) {
      this.socket = undefined
      rejectAll(this)
    }
    await disconnect.call(this)
    rejectAll(this)
    return true
  }
}
