// Runs events through the epoch computer alone, in memory: no log, no store, no clock. What comes out is compared with the evaluator.

import type { Epoch } from '../../engine/lane/computer.ts'
import { EpochComputer } from '../../engine/lane/epoch.ts'
import type { EpochInputs } from '../../engine/lane/receipt.ts'
import type { SessionPipeline } from '../../engine/topology/topology.ts'
import type { WireEvent } from '../../model/event.ts'
import { HASH_SLACK as SLACK } from '../../model/hash.ts'
import type { IncidentRow, SessionRow } from '../../model/rows.ts'
import { newBatch, resetBatch, scanBlock } from '../../model/scan.ts'
import { rageClickDefaults } from '../../operators/rage-clicks.ts'
import { scoreDefaults } from '../../operators/scores.ts'
import { type ClickstreamSettings, clickstream } from '../../topologies/clickstream.ts'
import { compareIncidents, compareSessions } from './compare.ts'
import { evaluate, type LogRecord } from './evaluate.ts'
import { compareTiles } from './tiles.ts'

export const settings: ClickstreamSettings = {
  gapMs: 1_800_000,
  allowedDisorderMs: 60_000,
  idleTimeoutMs: 1_000,
  correctionMs: 3_600_000,
  snapshotMs: 300_000,
  sessionMaxMs: 86_400_000,
  sessionEventsMax: 10_000,
  rage: rageClickDefaults,
  backtrackMs: 20_000,
  abandonMs: 900_000,
  deadClicks: { enabled: false, withinMs: 2500 },
  scores: scoreDefaults,
}

export interface InMemoryOptions {
  settings?: Partial<ClickstreamSettings>
  /** Rows of epoch n. */
  rows?: (epoch: number) => number
  close?: boolean
  /** Mutates the pipeline: planted bugs. */
  pipeline?: (pipeline: SessionPipeline) => SessionPipeline
}

export interface InMemoryRun {
  computer: EpochComputer
  epochs: Epoch[]
}

/** All epochs over the events as offsets 0, 1, … of partition 0; the last one asks for snapshots. */
export function runInMemory(events: readonly WireEvent[], options: InMemoryOptions = {}): InMemoryRun {
  const own = { ...settings, ...options.settings }
  let { pipeline } = clickstream(own)
  if (options.pipeline) pipeline = options.pipeline(pipeline)
  const computer = new EpochComputer(pipeline, { lineage: 'test', code: 'test', partition: 0 })
  const batch = newBatch()
  const epochs: Epoch[] = []
  let from = 0
  for (let n = 1; ; n++) {
    const last = from === events.length
    const to = Math.min(events.length, from + (options.rows?.(n) ?? 1000))
    const bytes = Buffer.from(
      `${events
        .slice(from, to)
        .map((event) => `${JSON.stringify(event)}\n`)
        .join('')}${' '.repeat(SLACK)}`,
    )
    resetBatch(batch, bytes, bytes.length - SLACK)
    if (to > from) scanBlock(batch, 0, bytes.length - SLACK, from)
    computer.route(batch, 0)
    const inputs: EpochInputs = !last ? {} : options.close ? { snapshots: true, close: true } : { snapshots: true }
    epochs.push(computer.compute(n, from, to, batch, inputs, undefined))
    from = to
    if (last) return { computer, epochs }
  }
}

/** Records of a topic, parsed. */
export const recordsOf = <T = Record<string, unknown>>(epochs: readonly Epoch[], topic: string): T[] =>
  epochs.flatMap(({ outputs }) =>
    outputs
      .filter((output) => output.topic === topic)
      .flatMap(({ bytes }) =>
        Buffer.from(bytes)
          .toString()
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as T),
      ),
  )

/** What holds in the end: the last version of each session and incident, without those that are deleted, oldest first. */
export function finalRows(
  events: readonly WireEvent[],
  options: InMemoryOptions = {},
  { epochs }: InMemoryRun = runInMemory(events, options),
): { sessions: SessionRow[]; incidents: IncidentRow[] } {
  const last = <R extends { version: number; deleted: number }>(topic: string, idOf: (row: R) => string) => {
    const rows = new Map<string, R>()
    for (const row of recordsOf<R>(epochs, topic)) if (row.version > (rows.get(idOf(row))?.version ?? 0)) rows.set(idOf(row), row)
    return [...rows.values()].filter((row) => row.deleted === 0)
  }
  const sessions = last<SessionRow>('events.sessionized', (row) => row.session_id)
  const incidents = last<IncidentRow>('events.incidents', (row) => row.incident_id)
  return { sessions: sessions.sort((a, b) => a.started_at - b.started_at), incidents: incidents.sort((a, b) => a.first_at - b.first_at) }
}

/** What differs between the run and the evaluator's answer, in words; empty when nothing does. */
export function differences(
  events: readonly WireEvent[],
  options: InMemoryOptions = {},
  { computer, epochs }: InMemoryRun = runInMemory(events, options),
): string[] {
  const own = { ...settings, ...options.settings }
  const records = events.map((event, offset): LogRecord => ({ partition: 0, offset, event }))
  const expected = evaluate(records, { ...own, closeAll: options.close === true })
  const found = [
    ...compareSessions(recordsOf(epochs, 'events.sessionized') as never, expected.sessions, { allVersions: true }),
    ...compareIncidents(recordsOf(epochs, 'events.incidents') as never, expected.incidents, { allVersions: true }),
    ...compareTiles(recordsOf(epochs, 'events.tiles'), expected),
  ]
  const late = recordsOf<{ offset: number; reason: string }>(epochs, 'events.late').map(({ offset, reason }) => `${offset} ${reason}`)
  const expectedLate = expected.late.map(({ offset, reason }) => `${offset} ${reason}`)
  if (late.sort().join() !== expectedLate.sort().join()) found.push(`late: ${late.slice(0, 5)} … instead of ${expectedLate.slice(0, 5)} …`)
  const counters = { accepted: 0, open: 0, closed: 0, duplicates: 0, late: 0 }
  for (const actor of computer.actors.list)
    for (const name of Object.keys(counters) as (keyof typeof counters)[]) counters[name] += actor.counters[name]
  const answer = { accepted: 0, open: 0, closed: 0, duplicates: 0, late: 0 }
  for (const org of expected.counters.values()) {
    answer.accepted += org.accepted
    answer.open += org.open
    answer.closed += org.closed
    answer.duplicates += org.duplicates
    answer.late += org.late + org.capLate
  }
  if (JSON.stringify(counters) !== JSON.stringify(answer))
    found.push(`counters ${JSON.stringify(counters)} instead of ${JSON.stringify(answer)}`)
  return found
}
