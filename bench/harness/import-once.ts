// One `packmill import` into a new data folder, as its users start it, watched from outside through the data folder's socket.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Local } from '../../services/process/local.ts'
import type { AnswerCounts } from './answer-file.ts'

const packmill = join(import.meta.dirname, '..', '..', 'cli', 'packmill.mjs')
/** Between two questions. They cost the import a little, and the figure is late by up to this. */
const POLL_MS = 100
const COUNTS = `SELECT (SELECT count() FROM events_raw) AS events, (SELECT count() FROM sessions) AS sessions,
  (SELECT count() FROM incidents) AS incidents`

export interface ImportAnswer {
  /** From the start of the process until SQL gave the expected counts. */
  seconds: number
  /** From the start of the process until it had ended. */
  endedSeconds: number
}

/**
 * Where the process ends before the counts were seen, `packmill sql` is asked once, which counts too. Errors: an exit code other than 0;
 * counts that are not the expected ones then.
 */
export async function importOnce(file: string, data: string, expected: AnswerCounts): Promise<ImportAnswer> {
  const start = performance.now()
  const elapsed = () => (performance.now() - start) / 1000
  let ended = false
  const importing = run(['import', file, '--data', data, '--json']).finally(() => (ended = true))
  importing.catch(() => undefined)
  let seconds: number | undefined
  let folder: Local | undefined
  while (!ended && seconds === undefined) {
    await sleep(POLL_MS)
    try {
      folder ??= await connect(data)
      if (folder && (await isThere(folder, expected))) seconds = elapsed()
    } catch {
      // Not yet, or not any more: a folder that is being made, or a process that is ending.
    }
  }
  await importing
  const endedSeconds = elapsed()
  const [counts] = JSON.parse(await run(['sql', COUNTS, '--data', data, '--json'])) as Partial<AnswerCounts>[]
  if (!equal(counts, expected)) throw new Error(`SQL counts ${JSON.stringify(counts)}, the evaluator's are ${JSON.stringify(expected)}`)
  return { seconds: seconds ?? elapsed(), endedSeconds }
}

async function isThere(folder: Local, expected: AnswerCounts): Promise<boolean> {
  // The cheap question first: a number that the table knows without reading it.
  const [raw] = await folder.query<{ events: unknown }>('SELECT count() AS events FROM events_raw')
  if (Number(raw.events) !== expected.events) return false
  const [counts] = await folder.query<Partial<AnswerCounts>>(COUNTS)
  return equal(counts, expected)
}

/** 64-bit numbers may come as text. */
const equal = (counts: Partial<AnswerCounts>, expected: AnswerCounts) =>
  (['events', 'sessions', 'incidents'] as const).every((name) => Number(counts[name]) === expected[name])

/** Resolves with what it printed. */
function run(args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [packmill, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let error = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (error += text))
    const kill = () => child.kill('SIGKILL')
    process.prependOnceListener('exit', kill)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      process.off('exit', kill)
      if (code === 0) resolve(out)
      else reject(new Error(`packmill ${args[0]} ended with ${signal ?? code}:\n${error}${out}`))
    })
  })
}
