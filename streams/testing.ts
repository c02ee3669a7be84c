// packmill/testing: what a topology's own tests are made of. Records in → records out, the in-memory run in virtual time, and the resume law.
/**
 * What a topology's own tests import. Everything is in memory, in the time that the test gives: no files, no clock, no threads.
 * @packageDocumentation
 */
import { MemoryRun } from './memory-run.ts'
import type { Branch, Topology } from './stream.ts'

export { MemoryRun } from './memory-run.ts'

/** Records per source topic. */
export type Input = Readonly<Record<string, readonly unknown[]>>

/** Output topic → its records, of the type that the topology gives them. */
export type Outputs<Branches extends readonly Branch<unknown>[]> = {
  [B in Branches[number] as B['topic']]: (B extends Branch<infer T> ? T : never)[]
} & {
  /** Records that came too late, in the order in which they came. */
  late: LateRecord[]
  /** Records that could not be processed, in the order in which that was seen. */
  deadLetters: DeadLetter[]
}

/** One record that came too late: later than `allowedDisorderMs` behind one with a later time. */
export interface LateRecord {
  /** The topic that it was read from. */
  pipeline: string
  /** Its key there; empty where it has none. */
  key: string
  /** Its event time, ms since epoch. */
  timeMs: number
  /** Where event time was when it came, ms since epoch. */
  watermark: number
  /** As text. Of one that would fill a message of its topic (384 KiB as JSON) the beginning, about 16 KiB. */
  record: string
  /** Then: bytes of the whole record. */
  wholeBytes?: number
}
/** One record that could not be processed. */
export interface DeadLetter {
  /** `INVALID`: it is no record of its source. `OPERATOR_THREW`: a function threw. `KEY_FORGOTTEN`: a timer threw, and its key's state is gone.
   *  `PROCESS_KILLED`: processes died at it. */
  code: 'INVALID' | 'OPERATOR_THREW' | 'KEY_FORGOTTEN' | 'PROCESS_KILLED'
  /** What was thrown, or what is wrong with it and where. */
  message: string
  /** The topic that it was read from. */
  pipeline: string
  /** As text. Of one that would fill a message of its topic (384 KiB as JSON) the beginning, about 16 KiB. */
  record: string
  /** Then: bytes of the whole record. */
  wholeBytes?: number
}

/** How a test's input is cut. */
export interface TableOptions {
  /** Records per epoch. What comes out must not depend on it. Default 1000. */
  rows?: number
  /** false: the input goes on, and what waits for time to pass, waits. Default true. */
  close?: boolean
}

/** Records in → records out, in memory. A line of a `lines` source is a string. Throws a TypeError where the input names a topic that is no source. */
export function runTable<const Branches extends readonly Branch<unknown>[]>(
  topology: Topology<Branches>,
  input: Input,
  { rows = 1000, close = true }: TableOptions = {},
): Outputs<Branches> {
  const run = new MemoryRun(topology)
  feed(run, topology, input)
  if (close) run.close(rows)
  else run.settle(rows)
  return outputsOf(run, topology)
}

/** What a run has given so far: per output topic its records, parsed, and the late ones and the dead letters. */
export function outputsOf<const Branches extends readonly Branch<unknown>[]>(
  run: MemoryRun,
  topology: Topology<Branches>,
): Outputs<Branches> {
  const read = (topic: string) => run.lines(topic).map((line) => JSON.parse(line) as unknown)
  const topics = topology.branches.map(({ topic }) => [topic, read(topic)] as const)
  const { late, deadLetters } = topology.pipelines[0]
  return { ...Object.fromEntries(topics), late: read(late), deadLetters: read(deadLetters) } as Outputs<Branches>
}

/** What came out depends on where the process stopped. The message says after which epoch, and the first record that differs. */
export class LawError extends Error {
  /** @internal */
  override readonly name = 'LawError'
}

/**
 * The resume law: whatever comes out must not depend on where the process stopped, nor on how the input was cut. Stops after every epoch, with and
 * without a checkpoint, goes on with a new topology from `make` (so that a variable outside of the state is empty), and compares every output.
 * Throws LawError with the first difference. The effort grows with the square of input / rows: hundreds of records are plenty.
 */
export async function resumeLaw(make: () => Topology, input: Input, { rows = 1, close = true }: TableOptions = {}): Promise<void> {
  const whole = start(make, input)
  const steps = play(whole, rows, close)
  const expected = JSON.stringify(contents(whole))
  for (let cut = 1; cut < steps; cut++)
    for (const withCheckpoint of [true, false]) {
      const run = start(make, input)
      const where = `stopped after ${cut} of ${steps} epochs ${withCheckpoint ? 'with' : 'without'} a checkpoint: `
      play(run, rows, close, cut)
      if (withCheckpoint) await run.checkpoint()
      try {
        run.restart(make())
      } catch (error) {
        throw new LawError(`${where}${(error as Error).message}`, { cause: error })
      }
      play(run, rows, close)
      const found = JSON.stringify(contents(run))
      if (found !== expected) throw new LawError(where + firstDifference(contents(whole), contents(run)))
    }
}

function start(make: () => Topology, input: Input): MemoryRun {
  const topology = make()
  const run = new MemoryRun(topology)
  feed(run, topology, input)
  return run
}

function feed(run: MemoryRun, { name, pipelines }: Topology, input: Input): void {
  for (const [topic, records] of Object.entries(input)) {
    const known = pipelines.filter((pipeline) => pipeline.input.kind === 'source').map((pipeline) => pipeline.topic)
    if (!known.includes(topic)) throw new TypeError(`${topic} is no source of topology ${name}; there is ${known.join(', ')}`)
    run.append(topic, records)
  }
}

/** Goes on to the end, or for `most` epochs; returns how many there were. A run that has been stopped goes on where it was. */
function play(run: MemoryRun, rows: number, close: boolean, most = Number.POSITIVE_INFINITY): number {
  let steps = 0
  for (let stage = 0; stage < run.stageCount; stage++) {
    while (run.waiting(stage) > 0) {
      if (steps++ >= most) return most
      run.step(stage, rows)
    }
    if (!close || run.isClosed(stage)) continue
    if (steps++ >= most) return most
    run.step(stage, 0, { close: true })
  }
  return steps
}

const contents = (run: MemoryRun) => [...run.topics].sort(([a], [b]) => (a < b ? -1 : 1))

function firstDifference(expected: [string, string[]][], found: [string, string[]][]): string {
  const other = new Map(found)
  for (const [topic, records] of expected)
    for (let i = 0; i < Math.max(records.length, other.get(topic)?.length ?? 0); i++)
      if (records[i] !== other.get(topic)?.[i])
        return `record ${i} of ${topic} is ${other.get(topic)?.[i] ?? 'missing'}; without the stop it is ${records[i] ?? 'missing'}`
  return 'a topic is there only with the stop'
}
