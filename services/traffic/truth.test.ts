// The generator's ground truth against what the product finds in the same events: what was planted is found, field by field, and nothing like it elsewhere.
import { beforeAll, describe, expect, test } from 'vitest'
import type { WireEvent } from '../../model/event.ts'
import type { IncidentRow, SessionRow } from '../../model/rows.ts'
import { finalRows } from '../../tests/oracle/in-memory.ts'
import type { PlantedThing } from './story.ts'
import { traffic } from './traffic.ts'

type Thing<W extends PlantedThing['what']> = Extract<PlantedThing, { what: W }>
const MINUTE = 60_000
/** Lines that were delayed beyond the last one are missing: what lies this near to the end may lack some. */
const TAIL_MS = 2 * MINUTE

let planted: PlantedThing[]
let visits: Thing<'visit'>[]
let sessions: SessionRow[]
let incidents: IncidentRow[]
let endMs = 0

const actorOf = (it: { orgId: string; productId: string; user: string }) => `${it.orgId} ${it.productId} ${it.user}`
const rowOf = (it: { org_id: string; product_id: string; user_id: string }) => `${it.org_id} ${it.product_id} ${it.user_id}`
const things = <W extends PlantedThing['what']>(what: W) => planted.filter((thing): thing is Thing<W> => thing.what === what)
const found = (kind: string) =>
  Map.groupBy(
    incidents.filter((row) => row.kind === kind),
    rowOf,
  )

beforeAll(() => {
  const all: PlantedThing[] = []
  const generator = traffic({ seed: 12, events: 60_000, users: 500, orgs: 4 }, (thing) => all.push(thing))
  const lines: string[] = []
  for (const chunk of generator) lines.push(...Buffer.from(chunk).toString().trimEnd().split('\n'))
  const events = lines.map((line) => JSON.parse(line) as WireEvent)
  for (const { ts } of events) endMs = Math.max(endMs, ts as number)
  planted = all.filter((thing) => ('lastMs' in thing ? thing.lastMs : thing.firstMs) < endMs - TAIL_MS)
  visits = things('visit')
  const settings = { deadClicks: { enabled: true, withinMs: 2500 } }
  ;({ sessions, incidents } = finalRows(events, { settings, close: true }))
}, 120_000)

/** Those found within visits that are told whole. */
function inVisits(kind: string): IncidentRow[] {
  const byUser = Map.groupBy(visits, actorOf)
  return incidents.filter(
    (row) => row.kind === kind && byUser.get(rowOf(row))?.some(({ firstMs, lastMs }) => row.first_at >= firstMs && row.first_at <= lastMs),
  )
}

test('every rage burst is found, with its clicks; on steppers and text inputs none', () => {
  const bursts = things('rage_click')
  const isStepper = (element: string) => /^input#|nav-(next|prev)/.test(element)
  const rage = found('rage_click')
  for (const burst of bursts) {
    const own = rage
      .get(actorOf(burst))
      ?.filter((row) => row.element === burst.element && row.first_at <= burst.lastMs && row.last_at >= burst.firstMs)
    if (isStepper(burst.element)) expect(own ?? [], JSON.stringify(burst)).toEqual([])
    else {
      // A click on the same element just before or behind it is part of the burst, too.
      expect(own?.length, JSON.stringify(burst)).toBe(1)
      expect(own![0].count).toBeGreaterThanOrEqual(burst.clicks)
      expect(own![0].first_at).toBeLessThanOrEqual(burst.firstMs)
      expect(own![0].last_at).toBeGreaterThanOrEqual(burst.lastMs)
    }
  }
  expect(bursts.length).toBeGreaterThan(100)
  expect(bursts.filter(({ element }) => isStepper(element)).length).toBeGreaterThan(10)
})

test('every way there and back is found as a backtrack, at its times', () => {
  const ways = things('backtrack')
  const backtracks = found('backtrack')
  for (const { screen, firstMs, lastMs, ...who } of ways) {
    const own = backtracks.get(actorOf(who))?.find((row) => row.first_at === firstMs && row.screen === screen)
    expect(own, JSON.stringify({ screen, firstMs, ...who })).toMatchObject({ last_at: lastMs, count: 3 })
  }
  expect(ways.length).toBeGreaterThan(200)
})

test('the abandoned tasks are those that were left, or took longer than 15 minutes, and no others', () => {
  const tasks = things('task')
  const sharp = tasks.filter(({ blurred }) => !blurred)
  const left = sharp.filter(({ firstMs, completedMs = Number.POSITIVE_INFINITY }) => completedMs - firstMs > 15 * MINUTE)
  const abandoned = found('abandoned_task')
  for (const { taskType, screen, firstMs, ...who } of left) {
    const own = abandoned.get(actorOf(who))?.filter((row) => row.first_at === firstMs)
    expect(own, JSON.stringify({ taskType, firstMs, ...who })).toMatchObject([
      { element: taskType, screen, last_at: firstMs + 15 * MINUTE },
    ])
  }
  const told = new Set([...left, ...tasks.filter(({ blurred }) => blurred)].map((task) => `${actorOf(task)} ${task.firstMs}`))
  expect(inVisits('abandoned_task').filter((row) => !told.has(`${rowOf(row)} ${row.first_at}`))).toEqual([])
  expect(left.length).toBeGreaterThan(100)
  expect(sharp.length - left.length).toBeGreaterThan(100)
  expect(sharp.length).toBeGreaterThan(tasks.length * 0.7)
})

test('the dead clicks are those after which nothing was done, and no others', () => {
  const clicks = things('dead_click')
  const dead = found('dead_click')
  for (const { screen, element, firstMs, ...who } of clicks)
    expect(dead.get(actorOf(who))?.filter((row) => row.first_at === firstMs)).toMatchObject([
      { screen, element, last_at: firstMs, count: 1 },
    ])
  const told = new Set(clicks.map((click) => `${actorOf(click)} ${click.firstMs}`))
  expect(inVisits('dead_click').filter((row) => !told.has(`${rowOf(row)} ${row.first_at}`))).toEqual([])
  expect(clicks.length).toBeGreaterThan(1000)
})

describe('a visit that is a session', () => {
  test('has its events, errors and context switches, and counts what was found in it', () => {
    const byStart = new Map(sessions.map((row) => [`${rowOf(row)} ${row.started_at}`, row]))
    const kinds = {
      rage_click: 'rage_clicks',
      backtrack: 'backtracks',
      abandoned_task: 'tasks_abandoned',
      dead_click: 'dead_clicks',
    } as const
    const bySession = Map.groupBy(incidents, (row) => row.session_id)
    let same = 0
    for (const visit of visits) {
      const row = byStart.get(`${actorOf(visit)} ${visit.firstMs}`)
      if (row?.ended_at !== visit.lastMs) continue
      same++
      expect(row).toMatchObject({ event_count: visit.events, error_count: visit.errors })
      if (visit.contextSwitches !== undefined) expect(row.context_switches, JSON.stringify(visit)).toBe(visit.contextSwitches)
      for (const [kind, column] of Object.entries(kinds))
        expect(row[column]).toBe((bySession.get(row.session_id) ?? []).filter((incident) => incident.kind === kind).length)
    }
    expect(same).toBeGreaterThan(visits.length / 2)
    expect(visits.filter(({ contextSwitches = 0 }) => contextSwitches > 0).length).toBeGreaterThan(200)
  })

  test('is the more frustrating and the less efficient, the more was in the way', () => {
    const quiet = sessions.filter((row) => row.frustration_score === 0)
    expect(quiet.every((row) => row.rage_clicks + row.tasks_abandoned + row.error_count + row.tasks_failed === 0)).toBe(true)
    expect(sessions.every((row) => row.frustration_score >= 0 && row.frustration_score <= 1 && row.efficiency_score >= 0)).toBe(true)
    expect(sessions.every((row) => row.rage_clicks === 0 || row.frustration_score > 0.3)).toBe(true)
  })
})

test('the truth changes no line, and does not hang on how the lines are asked for', () => {
  const linesOf = (generator: ReturnType<typeof traffic>, size: number) => {
    const chunks: Uint8Array[] = []
    for (let chunk = generator.nextChunk(size); chunk; chunk = generator.nextChunk(size)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
  const told: [PlantedThing[], PlantedThing[]] = [[], []]
  const options = { seed: 3, events: 4000 }
  const plain = linesOf(traffic(options), 1000)
  expect(
    linesOf(
      traffic(options, (thing) => told[0].push(thing)),
      1000,
    ).equals(plain),
  ).toBe(true)
  expect(
    linesOf(
      traffic(options, (thing) => told[1].push(thing)),
      7,
    ).equals(plain),
  ).toBe(true)
  expect(told[1]).toEqual(told[0])
})
