// For tests: packmill as a process of its own, as its users meet it. Owns the child; knows nothing of what it does.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'

const program = join(import.meta.dirname, 'packmill.mjs')
const environment = { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR }

export interface Run {
  code: number | null
  /** What ended it, where that was no exit. */
  signal: NodeJS.Signals | null
  out: string
  err: string
}

/** Runs to the end. */
export function packmill(folder: string, args: readonly string[], options: { input?: string | Uint8Array; uid?: number } = {}): Run {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: folder,
    env: environment,
    timeout: 60_000,
    ...options,
  })
  return { code: status, signal, out: stdout.toString(), err: stderr.toString() }
}

export interface Running {
  readonly child: ChildProcess
  /** Resolves when what was printed so far, on either channel, matches. Rejects where it ended without. */
  says(text: RegExp): Promise<void>
  readonly ended: Promise<Run>
}

export function startPackmill(folder: string, args: readonly string[]): Running {
  const child = spawn(process.execPath, [program, ...args], { cwd: folder, env: environment, stdio: ['pipe', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  const waiting = new Set<() => void>()
  const heard = () => {
    for (const look of waiting) look()
  }
  // A process that is killed reads no more: its writer is told, and it is what the test wants.
  child.stdin.on('error', () => undefined)
  child.stdout.on('data', (text: Buffer) => {
    out += text.toString()
    heard()
  })
  child.stderr.on('data', (text: Buffer) => {
    err += text.toString()
    heard()
  })
  const ended = new Promise<Run>((resolve) => child.on('close', (code, signal) => resolve({ code, signal, out, err })))
  return {
    child,
    ended,
    says: (text) =>
      new Promise<void>((resolve, reject) => {
        const look = () => {
          if (!text.test(out + err)) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
        void ended.then(({ code }) => {
          look()
          reject(new Error(`ended with ${code} and never said ${text}:\n${out}${err}`))
        })
      }),
  }
}
