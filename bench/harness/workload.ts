// The input of every question: generated traffic behind the door, in an embedded log, and a fresh data folder around it for each round.
//
// 16 organisations, 30,000 users, about 266 bytes of JSON, 5 % duplicates, 1 % disorder: what trafficDefaults are.
import { closeSync, linkSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, defaults } from '../../config/index.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import type { SharedLog } from '../../stores/log/shared-log.ts'
import type { ClickstreamSettings } from '../../topologies/clickstream.ts'
import { cached, cachedCrowd } from './cache.ts'
import type { CrowdShape } from './crowd.ts'

export const TOPIC = 'events.raw'
export const LINEAGE = 'bench'
export const PARTITIONS = defaults.log.partitions
export const allPartitions = Array.from({ length: PARTITIONS }, (_, partition) => partition)
/** Events of the unmeasured run before a measured one. */
export const WARM_UP_EVENTS = 100_000
/** Events of the same log that a lane or loop does before it is measured, where a question asks for it: a lane runs for weeks. */
export const RUN_IN_EVENTS = 500_000

export interface InputMeta {
  events: number
  /** Of JSON in the log, with what the door adds. */
  bytes: number
  /** Bytes by partition. */
  partitionBytes: number[]
}

export interface Input extends InputMeta {
  /** Holds the log of the input, and nothing else. Shared by all runs: never opened, only linked. */
  folder: string
}

export const clickstreamDefaults = (config: Config = defaults): ClickstreamSettings => config.clickstream

/** The default from 2.5 M events on; in proportion for fewer, so that a shorter run finishes two checkpoints as well. */
export const checkpointBytesFor = (events: number): number => Math.round(Math.min(1, events / 2_500_000) * defaults.engine.checkpointBytes)

/** The input of so many events, and that of the short run before each measured one. */
export async function inputs(events: number, note: (text: string) => void): Promise<{ measured: Input; short: Input }> {
  const [measured, short] = await Promise.all([cached('log', events, note), cached('log', WARM_UP_EVENTS, note)])
  return { measured: inputOf(measured), short: inputOf(short) }
}

/** A crowd in a log. */
export const crowdInput = async (shape: CrowdShape, note: (text: string) => void): Promise<Input> => inputOf(await cachedCrowd(shape, note))

const inputOf = (folder: string): Input => ({ folder, ...(JSON.parse(readFileSync(join(folder, 'input.json'), 'utf8')) as InputMeta) })

/** A new data folder with the input in its log (undefined: an empty log) and nothing else: no state, no outputs, no claims. The input's files are linked, not copied. */
export function roundFolder(input: Input | undefined, folder: string): string {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'log'), { recursive: true })
  if (input === undefined) return folder
  for (const file of readdirSync(join(input.folder, 'log'))) {
    linkSync(join(input.folder, 'log', file), join(folder, 'log', file))
    readThrough(join(folder, 'log', file))
  }
  return folder
}

/** Into the system's file cache, which some machines empty within a minute: then reading would cost more than all that is measured. */
function readThrough(path: string): void {
  const file = openSync(path, 'r')
  while (readSync(file, scratch) > 0);
  closeSync(file)
}
const scratch = new Uint8Array(4 << 20)

/** A log that ends, for its readers, at a share of each partition until `open` is called: before is not measured, behind it is. */
export async function gated(
  log: JournalLog,
  share: number,
  partitions: readonly number[] = allPartitions,
): Promise<{ reader: JournalLog['reader']; open(): void }> {
  const bounds = await Promise.all(partitions.map((partition) => log.bounds({ topic: TOPIC, partition })))
  const gates = new Map(bounds.map(({ end }, at) => [partitions[at], Math.floor(end * share)]))
  return {
    reader: (at) => {
      const own = log.reader(at)
      const read: typeof own.read = (from, maxBytes) =>
        from >= (gates.get(at.partition) ?? Number.POSITIVE_INFINITY)
          ? Promise.resolve({ bytes: new Uint8Array(0), blocks: [], next: from })
          : own.read(from, maxBytes)
      return { read, close: () => own.close() }
    },
    open: () => gates.clear(),
  }
}

/** What the threads that open a data folder's log share. No other process has it open. */
export const shareLog = (folder: string, writers: readonly string[]): Promise<SharedLog> =>
  prepareLog({ files: realFiles, folder: join(folder, 'log'), writers })

/** Opens the log of a data folder for this thread. */
export async function openLog(folder: string, writer: string, shared?: SharedLog): Promise<JournalLog> {
  return openJournalLog({ files: realFiles, folder: join(folder, 'log'), writer, shared: shared ?? (await shareLog(folder, [writer])) })
}

/** All committed records of a topic, partition by partition in the order of their offsets. */
export async function* recordsOf(log: JournalLog, topic: string): AsyncGenerator<{ partition: number; offset: number; record: string }> {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const reader = log.reader({ topic, partition })
    for (let read = await reader.read(0, 4 << 20); read.blocks.length > 0; read = await reader.read(read.next, 4 << 20)) {
      for (const { pos, length, baseOffset } of read.blocks) {
        const lines = Buffer.from(read.bytes.buffer, read.bytes.byteOffset + pos, length)
          .toString()
          .split('\n')
        for (const [i, record] of lines.entries()) if (record !== '') yield { partition, offset: baseOffset + i, record }
      }
    }
    reader.close()
  }
}
