// A door to a broker that breaks: what goes through it is passed on, cut off, held back for a while, or answered by half. Which, its caller says for each
// piece. The broker tells its clients this door's address (server.ts: proxied), so every connection goes through it. Owns the connections.
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** What becomes of one piece of bytes on its way. */
export type Fate = 'pass' | 'cut' | 'half' | 'stall'
export type Direction = 'request' | 'answer'

export interface ProxyOptions {
  /** Port to listen on, and the broker's. */
  port: number
  target: number
  fateOf(direction: Direction): Fate
  /** How long what comes behind a piece is held back, or who says it for each. */
  stallMs: number | (() => number)
}

export interface BrokerProxy {
  /** How often each has been done. */
  readonly counts: Readonly<Record<Fate, number>>
  close(): Promise<void>
}

const BUSY_MS = 50

export async function openProxy({ port, target, fateOf, stallMs }: ProxyOptions): Promise<BrokerProxy> {
  const counts: Record<Fate, number> = { pass: 0, cut: 0, half: 0, stall: 0 }
  const open = new Set<Socket>()

  function pass(from: Socket, to: Socket, direction: Direction): void {
    from.on('data', (bytes: Buffer) => {
      const fate = fateOf(direction)
      counts[fate]++
      if (fate === 'cut') return end(from, to)
      if (fate === 'half') return void to.write(bytes.subarray(0, bytes.length >> 1), () => end(from, to))
      to.write(bytes)
      if (fate !== 'stall') return
      // What comes behind it waits.
      from.pause()
      setTimeout(() => from.resume(), typeof stallMs === 'number' ? stallMs : stallMs())
    })
    from.on('close', () => end(from, to)).on('error', () => end(from, to))
  }

  const server: Server = createServer((client) => {
    const broker = connect({ port: target, host: 'localhost' })
    open.add(client).add(broker)
    pass(client, broker, 'request')
    pass(broker, client, 'answer')
  })
  function end(...sockets: Socket[]): void {
    for (const socket of sockets) {
      open.delete(socket)
      socket.destroy()
    }
  }
  // A broker has one such door: of test files that run side by side, one after the other is behind it.
  while (!(await listens(server, port))) await sleep(BUSY_MS)
  return {
    counts,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        end(...open)
      }),
  }
}

/** False where somebody else listens there. */
async function listens(server: Server, port: number): Promise<boolean> {
  server.listen(port, 'localhost')
  // Takes both of its listeners away again, whichever it was.
  return once(server, 'listening').then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') throw error
      return false
    },
  )
}
