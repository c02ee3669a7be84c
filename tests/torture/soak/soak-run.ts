// A soak: one process under a steady load for so long, and what is seen of it every ten seconds. Owns the order of things and the clock; what the numbers mean
// belongs to soak-verdict.ts.
import { appendFileSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { preciseNow } from '../../../bench/harness/live.ts'
import { PatternReader } from './pattern-reader.ts'
import { soakCounts } from './soak-counts.ts'
import type { SoakLoadOrder, SoakLoadSays } from './soak-load.ts'
import { type Sample, Sampler, sampleLine } from './soak-sample.ts'
import { ALLOWED_DISORDER_MS, CORRECTION_MS } from './soak-settings.ts'
import { type SoakedProcess, startSoaked } from './soaked-process.ts'

export interface SoakOptions {
  minutes: number
  /** Events per second, about. */
  rate: number
  note(text: string): void
}

export interface SoakRun {
  samples: Sample[]
  load: SoakLoadSays
  /** What is wrong with the counts at the end, in words. */
  differences: string[]
  /** Patterns whose incident was read once. */
  read: number
  /** Sessions of patterns that were looked at in the table. */
  sessionsLooked: number
  startedAt: string
  options: { minutes: number; rate: number; patterns: number }
  /** With the data folder, the samples, and what the process said. */
  folder: string
}

/** Complete in a second. */
const PATTERNS = 20
const SAMPLE_MS = 10_000
const BEFORE_MS = 5000
const SETTLE_MS = 60_000
const LOOK_MS = 200

/** Errors: a process that does not start or ends, a batch that is refused. The folder stays. */
export async function soakRun({ minutes, rate, note }: SoakOptions): Promise<SoakRun> {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-soak-'))
  const soaked = await startSoaked(folder)
  const reader = new PatternReader(join(soaked.data, 'log'))
  const fromMs = Math.ceil(preciseNow()) + BEFORE_MS
  const shape = { rate, patterns: PATTERNS, seed: 1, allowedDisorderMs: ALLOWED_DISORDER_MS, correctionMs: CORRECTION_MS }
  const load = startLoad({ port: soaked.port, shape, fromMs }, soaked)
  note(`soak of ${minutes} min at ${rate} events/s; process ${soaked.pid}, folder ${folder}`)
  const sampler = new Sampler(soaked, fromMs)
  const samples: Sample[] = []
  const orBroken = <T>(work: Promise<T>): Promise<T> => Promise.race([work, soaked.broken, load.failed, reader.reading.then(never)])
  for (let nextMs = fromMs + SAMPLE_MS; nextMs <= fromMs + minutes * 60_000; nextMs += SAMPLE_MS) {
    await orBroken(sleep(Math.max(0, nextMs - preciseNow())))
    const sample = await orBroken(sampler.take(reader.take(), load.take()))
    samples.push(sample)
    appendFileSync(join(folder, 'samples.jsonl'), `${JSON.stringify(sample)}\n`)
    note(sampleLine(sample))
  }
  const said = await orBroken(load.stop())
  await orBroken(settled(soaked, reader, said))
  const { differences, sessionsLooked } = await orBroken(soakCounts(soaked.client, said, reader.seen))
  await reader.stop()
  differences.push(...(await soaked.stop()))
  const read = [...reader.seen.values()].filter((times) => times === 1).length
  const startedAt = new Date(fromMs).toISOString()
  return { samples, load: said, differences, read, sessionsLooked, startedAt, options: { minutes, rate, patterns: PATTERNS }, folder }
}

const never = (): Promise<never> => new Promise(() => undefined)

/** What was sent has been processed and read, or that takes too long. */
async function settled({ client }: SoakedProcess, { seen }: PatternReader, said: SoakLoadSays): Promise<void> {
  for (const untilMs = preciseNow() + SETTLE_MS; preciseNow() < untilMs; await sleep(LOOK_MS)) {
    const { tasks } = await client.stats()
    if (tasks.reduce((sum, { accepted }) => sum + accepted, 0) >= said.accepted && seen.size >= said.patterns) return
  }
}

/** The thread that sends. */
function startLoad(order: SoakLoadOrder, { broken, pid }: SoakedProcess) {
  const worker = new Worker(new URL('./soak-load.ts', import.meta.url), { workerData: order })
  const over = Promise.withResolvers<SoakLoadSays>()
  const error = new Promise<Error>((resolve) => worker.on('error', resolve))
  const failed = error.then(async ({ message }): Promise<never> => {
    // A process that ends is the cause, and its connections fail before that is known.
    await Promise.race([broken, sleep(2000)])
    throw new Error(`the load failed while process ${pid} went on: ${message}`)
  })
  failed.catch(() => undefined)
  let events = 0
  let lateMs = 0
  worker.on('message', (said: SoakLoadSays) => {
    events = said.sent
    lateMs = Math.max(lateMs, said.latestMs)
    if (said.isOver) over.resolve(said)
  })
  return {
    failed,
    /** Sent since the beginning; the longest that one waited for being sent since it was asked before, ms. */
    take() {
      const taken = { events, lateMs }
      lateMs = 0
      return taken
    },
    stop() {
      worker.postMessage('stop')
      return over.promise
    },
  }
}
