// This process's standard input. Owns file descriptor 0: the embedded analytics engine takes whatever it finds there for the data of its inserts,
// so before it starts nothing may be there, and who wants to read stdin has another process bring it.
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import { PassThrough, type Readable } from 'node:stream'
import { isatty } from 'node:tty'
import type { ByteSource } from '../services/process/open-input.ts'

/** Read before anybody asks. */
const KEPT_BYTES = 256 << 10

let isEmpty = false

/** Nothing in place of stdin. Before a data folder is opened, and after takeStdin. */
export function emptyStdin(): void {
  if (isEmpty) return
  isEmpty = true
  closeSync(0)
  // The lowest number that is free: 0.
  openSync(devNull, 'r')
}

/** What is given to this process, once. */
export function takeStdin(): ByteSource {
  if (isEmpty) return { chunks: nothing(), close: () => undefined }
  // Ctrl-C is not for the one that brings it; a terminal can be read only from where it reaches.
  const bringer = spawn('cat', { stdio: ['inherit', 'pipe', 'inherit'], detached: !isatty(0) })
  // What nobody has begun to read when it ends would be thrown away.
  const brought = bringer.stdout!.pipe(new PassThrough({ highWaterMark: KEPT_BYTES }))
  const ended = new Promise<void>((resolve, reject) => {
    bringer.once('error', reject)
    bringer.once('close', (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`cat, which brings it, ended with ${code ?? signal}`)),
    )
  })
  ended.catch(() => undefined)
  emptyStdin()
  return {
    chunks: whole(brought, ended),
    close() {
      bringer.stdout!.destroy()
      brought.destroy()
      bringer.kill()
    },
  }
}

async function* whole(chunks: Readable, ended: Promise<void>): AsyncGenerator<Uint8Array> {
  yield* chunks
  await ended
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
