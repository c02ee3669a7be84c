// The load: batches over HTTP on many connections, from a process of its own. Each body is put together when it is sent, with ids that no other has.
//
// Plain sockets: an HTTP client that does more would be measured with the server, on the same cores. Events are generated traffic of the last hours; the
// end of each event's id is a number that counts up, which the recount looks for (ingest-recount.ts).
import { connect, type Socket } from 'node:net'
import { traffic } from '../../services/traffic/traffic.ts'
import { answer } from './in-child.ts'

export interface LoadOrder {
  port: number
  batches: number
  batchEvents: number
  connections: number
  /** The number of the first event. */
  firstId: number
}

export interface LoadAnswer {
  /** From the first byte sent to the last answer. */
  seconds: number
  accepted: number
  /** Of all bodies. */
  bytes: number
  cpuSeconds: number
  /** From a body's first byte to its answer, ms. */
  medianMs: number
  p99Ms: number
}

/** Where a line's id ends in a number: `{"eventId":"`, 24 characters of a UUID, 12 digits. */
const ID_AT = 12 + 24
const ID_DIGITS = 12
/** Bodies that the lines are taken from, again and again, with other ids. */
const TEMPLATES = 64
const HOUR_MS = 3_600_000
const HEAD_END = '\r\n\r\n'
const HEX = Uint8Array.from('0123456789abcdef', (char) => char.charCodeAt(0))

interface Template {
  body: Buffer
  /** Where each event's number is. */
  ids: number[]
}

function makeTemplates(batchEvents: number): Template[] {
  const generator = traffic({ events: TEMPLATES * batchEvents, duplicates: 0, startMs: Date.now() - 3 * HOUR_MS })
  return Array.from({ length: TEMPLATES }, () => {
    const lines = Buffer.from(generator.nextChunk(batchEvents)!).toString().trimEnd().split('\n')
    const head = '{"events":['
    const ids: number[] = []
    let at = head.length
    for (const line of lines) {
      ids.push(at + ID_AT)
      at += Buffer.byteLength(line) + 1
    }
    return { body: Buffer.from(`${head}${lines.join(',')}]}`), ids }
  })
}

/** A new body. */
function bodyOf({ body, ids }: Template, firstId: number): Buffer {
  const bytes = Buffer.from(body)
  for (let i = 0; i < ids.length; i++) {
    let id = firstId + i
    for (let at = ids[i] + ID_DIGITS - 1; at >= ids[i]; at--) {
      bytes[at] = HEX[id & 15]
      id = Math.floor(id / 16)
    }
  }
  return bytes
}

/** The answers of one connection, one after the other. */
class Connection {
  private readonly socket: Socket
  private text = ''
  private waiting: { resolve(answer: { status: number; body: string }): void; reject(error: Error): void } | undefined

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.socket.setEncoding('latin1')
    this.socket.on('data', (text: string) => this.read(text))
    this.socket.on('error', (error) => this.waiting?.reject(error))
    this.socket.on('close', () => this.waiting?.reject(new Error('the server closed the connection')))
  }

  post(port: number, body: Buffer): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject }
      this.socket.cork()
      this.socket.write(
        `POST /v1/events/batch HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}${HEAD_END}`,
        'latin1',
      )
      this.socket.write(body)
      this.socket.uncork()
    })
  }

  end(): void {
    this.waiting = undefined
    this.socket.end()
  }

  private read(text: string): void {
    this.text += text
    const behindHead = this.text.indexOf(HEAD_END)
    if (behindHead < 0) return
    const length = Number(/content-length: (\d+)/i.exec(this.text)?.[1] ?? 0)
    const end = behindHead + HEAD_END.length + length
    if (this.text.length < end) return
    const answered = { status: Number(this.text.slice(9, 12)), body: this.text.slice(behindHead + HEAD_END.length, end) }
    this.text = this.text.slice(end)
    this.waiting?.resolve(answered)
  }
}

await answer(async ({ port, batches, batchEvents, connections, firstId }: LoadOrder): Promise<LoadAnswer> => {
  const templates = makeTemplates(batchEvents)
  const open = Array.from({ length: connections }, () => new Connection(port))
  const latencies: number[] = []
  let next = 0
  let accepted = 0
  let bytes = 0
  const cpu = process.cpuUsage()
  const start = performance.now()
  await Promise.all(
    open.map(async (connection) => {
      while (next < batches) {
        const batch = next++
        const body = bodyOf(templates[batch % TEMPLATES], firstId + batch * batchEvents)
        const sent = performance.now()
        const { status, body: text } = await connection.post(port, body)
        latencies.push(performance.now() - sent)
        if (status !== 202) throw new Error(`the answer was ${status}: ${text}`)
        const told = JSON.parse(text) as { accepted: number; rejected: number }
        if (told.rejected !== 0) throw new Error(text)
        accepted += told.accepted
        bytes += body.length
      }
    }),
  )
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  for (const connection of open) connection.end()
  latencies.sort((a, b) => a - b)
  const at = (share: number) => latencies[Math.floor((latencies.length - 1) * share)]
  return { seconds, accepted, bytes, cpuSeconds: (user + system) / 1e6, medianMs: at(0.5), p99Ms: at(0.99) }
})
