// What takes longer than a second, and cannot say how far it is, says that it goes on: redrawn on a terminal, a plain line now and then elsewhere. On
// stderr, so that data may go to stdout. Owns nothing but that line.
import { formatSeconds } from './print.ts'

export interface WaitingOptions {
  readonly stream?: { write(text: string): unknown; isTTY?: boolean }
}

const TICK_MS = 1_000
const PLAIN_TICKS = 5

/** Settles as `work` does. */
export async function waiting<T>(label: string, work: Promise<T>, { stream = process.stderr }: WaitingOptions = {}): Promise<T> {
  const terminal = stream.isTTY === true
  let ticks = 0
  const timer = setInterval(() => {
    ticks++
    const line = `${label}  ${formatSeconds((ticks * TICK_MS) / 1000)}`
    if (terminal) stream.write(`\r\u001b[2K${line}`)
    else if (ticks % PLAIN_TICKS === 0) stream.write(`${line}\n`)
  }, TICK_MS)
  try {
    return await work
  } finally {
    clearInterval(timer)
    if (terminal && ticks > 0) stream.write('\r\u001b[2K')
  }
}
