// One data folder: processes that import the same files one after the other, each killed at some moment, until one comes to the end. Then
// what the stores hold is compared with the evaluator's answer.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../services/traffic/random.ts'
import { traffic } from '../../services/traffic/traffic.ts'
import type { Summary } from './answer.ts'
import { Child } from './child.ts'
import { type Moment, Moments, untilFrozen } from './moments.ts'

/** Everything small: many epochs, checkpoints, files and inserts in a few seconds. */
export const SMALL = [
  'log.partitions=3',
  'engine.lanes=2',
  'engine.epochBytes=64KB',
  'engine.checkpointBytes=1MB',
  'log.journalBytes=1MB',
  'sink.intervalMs=20',
  'sink.batchBytes=256KB',
]

/** When to kill: at once when the moment is seen for the nth time, or after a time since the start, whatever goes on. */
export type Aim = { moment: Moment; nth: number } | { afterMs: number }

export interface Round {
  /** Per process that was killed, what it was doing. */
  kills: Moment[][]
  answer: Summary
  folder: string
}

export interface RoundOptions {
  random: Random
  files: number
  eventsPerFile: number
  /** Aims in turn; the next process is left alone when there are no more, or one came to its end before it was met. */
  aims: readonly Aim[]
  set?: readonly string[]
  /** The files are decoded in parallel. */
  parallel?: boolean
}

/** Throws where a process says that something is wrong or breaks; the folder then stays for a look. Otherwise it is removed unless there are differences. */
export async function tortureRound({ random, files, eventsPerFile, aims, set = SMALL, parallel = false }: RoundOptions): Promise<Round> {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-torture-'))
  const paths = writeFiles(folder, random.word(), files, eventsPerFile)
  const data = join(folder, 'data')
  mkdirSync(data)
  const task = { data, set: [...set], files: paths, parallel }
  const kills: Moment[][] = []
  for (const aim of aims) {
    const marks = mkdtempSync(join(folder, 'marks-'))
    const moments = new Moments(data, marks)
    const child = new Child(task, marks)
    const met = await meet(child, moments, aim)
    if (met) {
      kills.push(moments.now(child.lines))
      child.signal('SIGKILL')
    }
    await refuseTrouble(child, folder)
    if (!met) break
  }
  const last = new Child({ ...task, inspect: true })
  await refuseTrouble(last, folder)
  const answer = last.answer!
  if (answer.differences.length === 0) rmSync(folder, { recursive: true, force: true })
  return { kills, answer, folder }
}

/** One stream of traffic in several files: the later go on with the sessions of the earlier. */
export function writeFiles(folder: string, seed: number, files: number, eventsPerFile: number): string[] {
  const stream = traffic({
    seed,
    events: files * eventsPerFile,
    orgs: 4,
    users: 600,
    duplicates: 0.05,
    disorder: 0.05,
    lateBeyondDisorder: 0.01,
    late: 0.005,
  })
  return Array.from({ length: files }, (_, i) => {
    const path = join(folder, `events-${i}.jsonl`)
    writeFileSync(path, stream.nextChunk(eventsPerFile)!)
    return path
  })
}

/** Waits until the aim is met and has the process frozen then; false where it came to its end before. */
async function meet(child: Child, moments: Moments, aim: Aim): Promise<boolean> {
  if ('afterMs' in aim) {
    await Promise.race([sleep(aim.afterMs), child.ended])
    return freeze(child)
  }
  const { moment, nth } = aim
  for (let seen = 0, before = false; child.isRunning; await sleep(1)) {
    let holds = moments.holds(moment, child.lines)
    if (holds && !before) {
      if (!(await freeze(child))) return false
      // It may have passed before the process stood still.
      holds = moments.holds(moment, child.lines)
      if (holds && ++seen >= nth) return true
      child.signal('SIGCONT')
    }
    before = holds
  }
  return false
}

/** Every thread stands still, and what it said has been heard; false where it has ended. */
async function freeze(child: Child): Promise<boolean> {
  if (!child.signal('SIGSTOP')) return false
  untilFrozen(child.pid)
  await sleep(5)
  return child.isRunning
}

/** Waits for the end. A process that was killed has said nothing wrong either. */
async function refuseTrouble(child: Child, folder: string): Promise<void> {
  const { code, signal } = await child.ended
  const [first] = child.troubles
  if (first) throw new Error(`${folder}: ${first.what}: ${first.code}: ${first.message}\n${first.stack ?? ''}`)
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`${folder}: ended with ${code ?? signal}\n${child.stderr}`)
}
