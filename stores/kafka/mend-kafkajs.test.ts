// Connections of kafkajs to a broker that takes everything and answers nothing: what becomes of requests when they end.
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { mendKafkajs } from './mend-kafkajs.ts'

interface Connection {
  socket: Socket
  isConnected(): boolean
  connect(): Promise<boolean>
  disconnect(): Promise<boolean>
  send(request: object): Promise<unknown>
}
const load = createRequire(import.meta.url)
const Connection = load('kafkajs/src/network/connection.js') as new (options: object) => Connection
const { requests } = load('kafkajs/src/protocol/requests/index.js') as {
  requests: { ApiVersions: { protocol(of: { version: number }): () => object } }
}
const request = () => requests.ApiVersions.protocol({ version: 0 })()
const logger = { namespace: () => logger, debug: () => undefined, error: () => undefined, warn: () => undefined }
/** Longer than a test: whatever ends here ends by itself. */
const LONG_MS = 600_000

let server: Server
let accepted: Socket[]
let connection: Connection

beforeEach(async () => {
  mendKafkajs()
  accepted = []
  server = createServer((socket) => void accepted.push(socket.on('error', () => undefined))).listen(0, 'localhost')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socketFactory = (at: { host: string; port: number; onConnect(): void }) =>
    connect({ host: at.host, port: at.port }, () => at.onConnect())
  const waits = { requestTimeout: LONG_MS, connectionTimeout: LONG_MS }
  connection = new Connection({ host: 'localhost', port, clientId: 'test', logger, socketFactory, ...waits })
})
afterEach(() => {
  connection.socket?.destroy()
  for (const socket of accepted) socket.destroy()
  server.close()
})

it('what is on its way fails when the socket closes, also where it does so without an error or a word of the broker', async () => {
  const connected = once(server, 'connection')
  await Promise.all([connection.connect(), connected])
  const asked = connection.send(request())
  const { socket } = connection
  await once(accepted[0], 'data')
  socket.destroy()
  await expect(asked).rejects.toThrow('Closed connection')
  expect(connection.isConnected()).toBe(false)
  // And the next one is asked over a new one.
  await connection.connect()
  expect(connection.socket).not.toBe(socket)
})

it('a connection whose socket is gone is none while it ends: nothing can be asked that nobody will ever answer', async () => {
  await connection.connect()
  const { socket } = connection
  const closed = once(socket, 'close')
  socket.destroy()
  await closed
  const ended = connection.disconnect()
  expect(connection.isConnected()).toBe(false)
  await expect(connection.send(request())).rejects.toThrow('Not connected')
  await ended
})

it('ended again and again, as in an outage, leaves no listeners at its dead socket', async () => {
  await connection.connect()
  const { socket } = connection
  const closed = once(socket, 'close')
  socket.destroy()
  await closed
  for (let times = 0; times < 20; times++) await connection.disconnect()
  expect(socket.listenerCount('connect')).toBeLessThan(2)
})

it('two who want to be connected at once share a socket', async () => {
  const connected = once(server, 'connection')
  await Promise.all([connection.connect(), connection.connect(), connected])
  const asked = connection.send(request())
  await once(accepted[0], 'data')
  expect(accepted).toHaveLength(1)
  accepted[0].destroy()
  await expect(asked).rejects.toThrow()
})

it('a cluster none of whose brokers answers says so', async () => {
  const Cluster = load('kafkajs/src/cluster/index.js') as { prototype: { metadata(): Promise<unknown> } }
  const brokerPool = { refreshMetadataIfNecessary: async () => undefined, withBroker: async () => null }
  const retrier = (work: (bail: (error: Error) => void) => Promise<unknown>) =>
    work((error) => {
      throw error
    })
  await expect(Cluster.prototype.metadata.call({ brokerPool, retrier })).rejects.toMatchObject({ name: 'KafkaJSBrokerNotFound' })
})
