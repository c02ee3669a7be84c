// Lineages beside the live one: each is a data folder of its own within the folder that it replays, `lineages/<name>`, so that nothing of it can meet live
// output: not its topics, tokens, state nor tables (protocol 33). Owns where they are, and what a replay may begin with; copying is rebuild.ts's.
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../../config/index.ts'
import { EngineError } from '../../engine/errors.ts'
import type { Log, TopicPartition } from '../../engine/log/contract.ts'
import { TOPICS } from '../../model/rows.ts'
import type { ClickstreamSettings } from '../../topologies/clickstream.ts'
import { isReserved } from './computed-lineage.ts'
import { FOLDER_FORMAT, folderMeta, newMember, writeMeta } from './data-folder.ts'
import { definitionsOf, otherDefinitions } from './definitions.ts'
import { receivedAt } from './received-at.ts'
import { withSource } from './stopped-source.ts'

/** In words of what is in the way; there may be one for each file that was imported. */
const TOPICS_SHOWN = 3

export const lineageFolder = (data: string, name: string): string => join(data, 'lineages', name)

/** Those that were made in the folder, by name. */
export function lineagesIn(data: string): string[] {
  const folder = join(data, 'lineages')
  return existsSync(folder) ? readdirSync(folder).filter((name) => existsSync(join(folder, name, 'packmill.json'))) : []
}

/** What there is to replay. */
export interface Replayable {
  /** The earliest time from which all is there; undefined: from the beginning. Ms since epoch. */
  completeFromMs: number | undefined
  /** When the newest record was received; undefined: there is none. */
  newestMs: number | undefined
  records: number
  /** On Kafka: the topics that the lineage has already. */
  topics?: readonly string[]
}

/** `lineage`: that it is asked for. Errors: DATA_LOCKED where a process is at work in the folder; those of the log. */
export function replayable(data: string, config: Config, lineage?: string): Promise<Replayable> {
  return withSource(data, config, async (log) => {
    const topics = lineage === undefined ? undefined : await log.topicsOf?.(lineage)
    const found: Replayable = { completeFromMs: undefined, newestMs: undefined, records: 0, ...(topics && { topics }) }
    for (let partition = 0; partition < log.partitions; partition++) {
      const at = { topic: TOPICS.raw, partition }
      const { start, end } = await log.bounds(at)
      found.records += end - start
      if (end > start) found.newestMs = later(found.newestMs, (await timesAt(log, at, end - 1)).last)
      // What retention has deleted of this partition came before what is left of it.
      if (start > 0) found.completeFromMs = later(found.completeFromMs, end > start ? (await timesAt(log, at, start)).first : undefined)
    }
    return found
  })
}

const later = (a: number | undefined, b: number | undefined) => (a === undefined ? b : b === undefined ? a : Math.max(a, b))

/** When the first and the last record of the block that holds an offset were received. */
async function timesAt(log: Pick<Log, 'reader'>, at: TopicPartition, offset: number): Promise<{ first?: number; last?: number }> {
  const reader = log.reader(at)
  try {
    const { bytes, blocks } = await reader.read(offset, 1)
    const [block] = blocks
    if (!block) return {}
    const lines = Buffer.from(bytes.buffer, bytes.byteOffset + block.pos, block.length)
      .toString()
      .trimEnd()
      .split('\n')
    return { first: receivedAt(lines[0]!), last: receivedAt(lines.at(-1)!) }
  } finally {
    reader.close()
  }
}

/**
 * The folder of a lineage, made where it is not there yet: one that was begun with the same time, partitions and settings goes on. `sinceMs`: -Infinity from the
 * earliest on. Errors: LINEAGE_NAME, LINEAGE_EXISTS, REPLAY_BEFORE_RETENTION, REPLAY_NOTHING.
 */
export function beginLineage(
  data: string,
  asked: { name: string; sinceMs: number; partitions: number; settings: ClickstreamSettings },
  { completeFromMs, newestMs, records, topics = [] }: Replayable,
): string {
  const { name, sinceMs, partitions } = asked
  const settings = definitionsOf(asked.settings)
  checkLineage(data, name)
  const folder = lineageFolder(data, name)
  const isEarliest = sinceMs === Number.NEGATIVE_INFINITY
  if (existsSync(join(folder, 'packmill.json'))) {
    const known = folderMeta(folder)
    const isSame = known.partitions === partitions && (known.replayedFromMs ?? Number.NEGATIVE_INFINITY) === sinceMs
    const others = otherDefinitions(known.settings, settings)
    if (isSame && others === undefined) return folder
    throw new EngineError(
      'LINEAGE_EXISTS',
      isSame
        ? `lineage ${name} was begun with ${others}`
        : `lineage ${name} was begun from ${fromText(known.replayedFromMs)} with ${known.partitions} partitions`,
      `Say the same to go on with it, choose another name, or delete it first: packmill topology reset clickstream --lineage ${name}`,
    )
  }
  if (isReserved(name))
    throw new EngineError(
      'LINEAGE_NAME',
      `${name} is what a reset of ${name.replace(/-\d+$/, '')} may call what is computed anew`,
      'Choose a name that does not end in - and a number.',
    )
  const { kafka } = folderMeta(data)
  // On brokers two folders may choose one name: what is there would be taken for a part of this one, or be live output of somebody else.
  if (topics.length > 0)
    throw new EngineError(
      'LINEAGE_EXISTS',
      `${data} has no lineage ${name}, and the brokers have ${topics.length === 1 ? 'a topic' : `${topics.length} topics`} of that name: ${topics.slice(0, TOPICS_SHOWN).join(', ')}${topics.length > TOPICS_SHOWN ? ' …' : ''}`,
      `Choose another name. Where it is a replay of another data folder, go on with it there, or delete it there first: packmill topology reset clickstream --lineage ${name}. Those of a deployment whose kafka.topicPrefix is ${kafka?.topicPrefix ?? ''}${name}. are its live topics. Where all that had them is gone, delete them (kafka-topics --delete).`,
    )
  // Events of foreign producers may not say when they were received: they are in every replay.
  if (records === 0 || (newestMs !== undefined && sinceMs > newestMs))
    throw new EngineError(
      'REPLAY_NOTHING',
      newestMs === undefined ? `the log of ${data} has no events` : `the newest event was received at ${instant(newestMs)}`,
      'Choose an earlier --from: it is the time at which events were received, not their own.',
    )
  if (!isEarliest && completeFromMs !== undefined && sinceMs < completeFromMs)
    throw new EngineError(
      'REPLAY_BEFORE_RETENTION',
      `retention (log.retentionMs) has deleted events of that time: all of them are there from ${instant(completeFromMs)} on`,
      `Say --from ${instant(completeFromMs)}, or --from earliest for whatever there is.`,
    )
  mkdirSync(folder, { recursive: true })
  writeMeta(folder, {
    ...{ format: FOLDER_FORMAT, partitions, lineage: name, settings },
    ...(kafka && { kafka: newMember(kafka) }),
    ...(isEarliest ? {} : { replayedFromMs: sinceMs }),
  })
  return folder
}

/** Errors: LINEAGE_NAME; LINEAGE_LIVE for that of the folder itself. */
function checkLineage(data: string, name: string): void {
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(name))
    throw new EngineError(
      'LINEAGE_NAME',
      `${name} is no name of a lineage`,
      'Use up to 32 small letters, digits and -, beginning with a letter.',
    )
  const { lineage, computed } = folderMeta(data)
  if (name === lineage || name === computed)
    throw new EngineError(
      'LINEAGE_LIVE',
      `${name} is the live lineage of ${data}`,
      'Choose another name: a replay never touches live output.',
    )
}

/** Its folder. Errors: LINEAGE_NAME, LINEAGE_LIVE, LINEAGE_UNKNOWN. */
export function knownLineage(data: string, name: string): string {
  checkLineage(data, name)
  const known = lineagesIn(data)
  if (known.includes(name)) return lineageFolder(data, name)
  throw new EngineError(
    'LINEAGE_UNKNOWN',
    `${data} has no lineage ${name}`,
    known.length > 0 ? `It has ${known.join(', ')}.` : 'It has none: `packmill topology replay` makes one.',
  )
}

const instant = (ms: number) => new Date(ms).toISOString()
const fromText = (ms: number | undefined) => (ms === undefined ? 'earliest' : instant(ms))
