// One data folder: processes that import the same files one after the other, each killed at some moment, until one comes to the end; now and then one is
// held while another is refused. Then what the stores hold is compared with the evaluator's answer.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../services/traffic/random.ts'
import { traffic } from '../../services/traffic/traffic.ts'
import type { Summary } from './answer.ts'
import { Child } from './child.ts'
import type { ChildTask } from './import-child.ts'
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

/** When: at once when the moment is seen for the nth time, or after a time, whatever goes on; both since its start, or since it was let go on. */
type When = { moment: Moment; nth: number } | { afterMs: number }
/** Then it is killed; `held`: it stands still while a second process of its folder is started and refused, and goes on: the next aim is of the same process. */
export type Aim = When & { held?: true }

export interface Round extends Done {
  answer: Summary
  folder: string
}

/** What was done. */
export interface Done {
  /** Per process that was killed, what it was doing. */
  kills: Moment[][]
  /** Processes that stood still while a second one was refused, and went on. */
  held: number
  /** Kills of a process within a second of its start, which had followed a kill. */
  twice: number
}

/** Another kill within it is the second of a row. */
const TWICE_MS = 1000

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
  const task: ChildTask = { data, set: [...set], files: paths, parallel }
  const done: Done = { kills: [], held: 0, twice: 0 }
  let life: Life | undefined
  for (const aim of aims) {
    life ??= begin(task, folder)
    const { child, moments, startedMs } = life
    if (!(await meet(child, moments, aim))) break
    if (aim.held) {
      await refuseSecond(task, child, folder)
      child.signal('SIGCONT')
      done.held++
      continue
    }
    if (done.kills.length > 0 && performance.now() - startedMs < TWICE_MS) done.twice++
    done.kills.push(moments.now(child.lines))
    child.signal('SIGKILL')
    await refuseTrouble(child, folder)
    life = undefined
  }
  if (life) await refuseTrouble(life.child, folder)
  const last = new Child({ ...task, inspect: true })
  await refuseTrouble(last, folder)
  const answer = last.answer!
  if (answer.differences.length === 0) rmSync(folder, { recursive: true, force: true })
  return { ...done, answer, folder }
}

interface Life {
  child: Child
  moments: Moments
  startedMs: number
}

function begin(task: ChildTask, folder: string): Life {
  const marks = mkdtempSync(join(folder, 'marks-'))
  const moments = new Moments(task.data, marks)
  return { child: new Child(task, marks), moments, startedMs: performance.now() }
}

/** A process that stands still holds its folder as before: who comes is told whose it is, and changes nothing. */
async function refuseSecond(task: ChildTask, holder: Child, folder: string): Promise<void> {
  const second = new Child(task)
  const { code, signal } = await second.ended
  const [first, ...more] = second.troubles
  const isRefused = code === 1 && first?.code === 'DATA_LOCKED' && first.message.includes(` process ${holder.pid} `) && more.length === 0
  if (isRefused) return
  holder.signal('SIGKILL')
  const said = second.troubles.map((trouble) => `${trouble.what}: ${trouble.code}: ${trouble.message}`).join('\n')
  throw new Error(
    `${folder}: beside process ${holder.pid}, which stood still, a second one was not refused but ended with ${code ?? signal}: ${said}\n${second.stderr}`,
  )
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
