// What a seed decides before its run begins: the log, the bounds, which faults are in reach.
import { TOPICS } from '../../model/rows.ts'
import { type ClickstreamSettings, clickstream } from '../../topologies/clickstream.ts'
import { settings as defaults } from '../oracle/in-memory.ts'
import { nasty } from '../oracle/nasty.ts'
import { type Cut, NO_CUT } from './cut.ts'
import type { Plant } from './plant.ts'
import { Poison, type PoisonShares } from './poison.ts'
import { ORPHAN_MS } from './sim-lane.ts'
import type { NodeSettings } from './world.ts'

export const EVENTS_MIN = 2000
/** Of a life's a few: a checkpoint is due after a quarter of it. */
const RETENTION_MS = 2000
export const PARTITIONS = 2

export interface SeedSettings {
  window: ClickstreamSettings
  node: NodeSettings
  poison: Poison
  /** Per partition. */
  toSend: string[][]
  /** Two owners at once. */
  owners: boolean
}

export function seedSettings(seed: number, random: () => number, plant: Plant, cut: Cut = NO_CUT): SeedSettings {
  const pick = <T>(of: readonly T[]) => of[Math.floor(random() * of.length)]
  const log = nasty(seed, EVENTS_MIN)
  // Without the dice: every tenth seed has timers that fail. Nothing is final there: of a user that is given up all goes, wherever its epochs were cut.
  const timersFail = seed % 10 === 9
  const correctionMs = timersFail ? Number.MAX_SAFE_INTEGER : log.settings.correctionMs
  const window: ClickstreamSettings = { ...defaults, ...log.settings, correctionMs, idleTimeoutMs: 1000, snapshotMs: pick([0, 1, 5000]) }
  const none: PoisonShares = { always: 0, once: 0, deadly: 0, timers: 0 }
  const shares = { ...pick([none, none, { ...none, always: 0.005 }, { ...none, once: 0.005 }, { ...none, always: 0.003, once: 0.003 }]) }
  if (random() < 0.1) shares.deadly = 0.0005
  if (timersFail && !cut.without.has('failedTimers')) shares.timers = 0.003
  if (cut.without.has('poisonRecords')) Object.assign(shares, none)
  const poison = new Poison()
  const toSend: string[][] = Array.from({ length: PARTITIONS }, () => [])
  for (const [i, event] of log.events.entries()) {
    const right = event.productId === 'p2' ? 1 : 0
    const partition = plant.partition?.(event, right) ?? right
    const lines = [JSON.stringify(poison.some(event, random, shares))]
    if (random() < 0.005) lines.push('no event')
    // The dice are thrown for those that are left out, too: all else stays as it was.
    if (i < cut.events) toSend[partition].push(...lines)
  }
  const shipped = clickstream(window)
  const folds = [...shipped.pipeline.folds, poison.fold(), ...(timersFail ? [poison.timerFold(window.gapMs)] : [])]
  const owners = random() < 0.4
  const node: NodeSettings = {
    topology: { ...shipped, pipeline: { ...shipped.pipeline, folds } },
    code: 'sim',
    live: random() < 0.5,
    epochMs: 20,
    epochBytes: pick([1000, 8000, 40_000, 1 << 20]),
    checkpointBytes: pick([1, 20_000, 100_000, 1 << 30]),
    cacheBytes: pick([1, 20_000, 1 << 30]),
    // Without the dice.
    retentionMs: seed % 4 === 1 ? RETENTION_MS : Number.POSITIVE_INFINITY,
    journalBytes: pick([4000, 100_000, 1 << 20]),
    retention: {
      topics: {},
      others: pick([
        { ms: 1, bytes: 1 },
        { ms: 1 << 30, bytes: 1 << 30 },
      ]),
    },
    retainMs: 300,
    sinks: true,
    // Without the dice: every other seed has sinks that an outage outlasts.
    attemptsMax: seed % 2 === 0 ? 3 : 20,
    orphanMs: owners ? ORPHAN_MS : 0,
    sliceBytes: pick([1, 3000, 2 << 20]),
  }
  return { window, node, poison, toSend, owners }
}

export const RAW = TOPICS.raw
