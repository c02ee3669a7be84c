// A data folder whose lanes run the planted topology, and what its tables differ in from the evaluator's answer for the events that are no dead letters.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Config, loadConfig } from '../../config/index.ts'
import type { WireEvent } from '../../model/event.ts'
import { siblingModule } from '../../model/module-url.ts'
import { type Embedded, type EmbeddedOptions, type Notice, openEmbedded } from '../../services/process/embedded.ts'
import { traffic } from '../../services/traffic/traffic.ts'
import { compareIncidents, compareSessions } from '../oracle/compare.ts'
import { evaluate } from '../oracle/evaluate.ts'
import { compareTiles, sessionsSql, tileRows } from '../oracle/tiles.ts'
import { oracleSettings } from '../torture/answer.ts'

export const SETTINGS = ['log.partitions=2', 'engine.lanes=1', 'engine.epochBytes=64KB', 'engine.stallMs=3s', 'sink.intervalMs=20']
const module = (name: 'planted' | 'mended') => siblingModule(import.meta.url, `./${name}-topology`).href

export interface Supervised {
  embedded: Embedded
  config: Config
  notices: Notice[]
}

export function newFolder(): { data: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-supervision-'))
  return { data: join(folder, 'data'), remove: () => rmSync(folder, { recursive: true, force: true }) }
}

export async function openWith(
  topology: 'planted' | 'mended',
  data: string,
  { set = [], ...more }: { set?: string[] } & Partial<EmbeddedOptions> = {},
): Promise<Supervised> {
  const { config } = loadConfig({ data, set: [...SETTINGS, ...set], environment: {} })
  const notices: Notice[] = []
  const embedded = await openEmbedded({
    config,
    version: 'test',
    live: false,
    topologyModule: module(topology),
    onNotice: (notice) => notices.push(notice),
    ...more,
  })
  return { embedded, config, notices }
}

/** Ordered traffic of several orgs. */
export function eventsOf(events: number, seed = 5): WireEvent[] {
  const stream = traffic({ seed, events, orgs: 4, users: 60, duplicates: 0, disorder: 0 })
  return Buffer.from(stream.nextChunk(events)!)
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as WireEvent)
}

/** A click on a planted element, of another user, at the time of `beside` and in its product. */
export const harmful = (beside: WireEvent, element: string, n: number): WireEvent => ({
  eventId: `${element}-${n}`,
  orgId: beside.orgId,
  productId: beside.productId,
  userId: `user of ${element}`,
  type: 'click',
  element,
  ts: beside.ts,
})

export async function importEvents(embedded: Embedded, events: readonly WireEvent[]): Promise<void> {
  const lines = events.map((event) => `${JSON.stringify(event)}\n`).join('')
  await embedded.import(
    (async function* () {
      yield Buffer.from(lines)
    })(),
    {
      onReject(line, _, reason) {
        throw new Error(`line ${line}: ${reason.message}`)
      },
    },
  )
}

export const deadLetters = (embedded: Embedded) =>
  embedded.query<{ code: string; eventId: string; orgId: string }>(
    `SELECT code, JSONExtractString(record, 'eventId') AS eventId, JSONExtractString(record, 'orgId') AS orgId FROM events_dlq ORDER BY eventId`,
  )

/** Of sessions, incidents and tiles. */
export async function differences({ embedded, config }: Supervised): Promise<string[]> {
  const raw = await embedded.query<{ partition: number; offset: number; record: string }>(
    `SELECT partition, offset, record FROM events_raw
     WHERE event_id NOT IN (SELECT JSONExtractString(record, 'eventId') FROM events_dlq) ORDER BY partition, offset`,
  )
  const records = raw.map(({ partition, offset, record }) => ({ partition, offset, event: JSON.parse(record) as WireEvent }))
  const answer = evaluate(records, oracleSettings(config))
  const ms = (name: string) => `toUnixTimestamp64Milli(${name}) AS ${name}`
  const incidents = await embedded.query(
    `SELECT * REPLACE (${ms('first_at')}, ${ms('last_at')}, arrayMap(at -> [toUInt64(at.1), at.2], evidence) AS evidence) FROM fact_incidents`,
  )
  return [
    ...(records.length > 100 ? [] : ['there is nothing to compare']),
    ...compareSessions(await embedded.query(sessionsSql), answer.sessions),
    ...compareIncidents(incidents, answer.incidents),
    ...compareTiles(await tileRows((sql) => embedded.query(sql)), answer),
  ]
}
