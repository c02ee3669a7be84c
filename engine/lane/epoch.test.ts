import { describe, expect, it, vi } from 'vitest'
import type { WireEvent } from '../../model/event.ts'
import type { DeadLetterRow } from '../../model/rows.ts'
import { trafficEvents } from '../../services/traffic/traffic.ts'
import { MemoryStore } from '../../streams/memory-store.ts'
import { EngineRun, planEpochs } from '../../tests/laws/engine-run.ts'
import { differences, recordsOf, settings } from '../../tests/oracle/in-memory.ts'
import { clickstream } from '../../topologies/clickstream.ts'

describe('epochs against the batch evaluator, in memory', () => {
  const traffic = [...trafficEvents({ seed: 7, events: 20_000, orgs: 4, users: 200, lateBeyondDisorder: 0.01, late: 0.005 })]

  it('agrees on generated traffic with disorder, duplicates and late events', () => {
    expect(differences(traffic)).toEqual([])
  })
  it('agrees when all is closed at the end', () => {
    expect(differences(traffic, { close: true })).toEqual([])
  })
  it('agrees whatever the epochs are cut to', () => {
    expect(differences(traffic.slice(0, 3000), { rows: () => 1 })).toEqual([])
    expect(differences(traffic, { rows: (n) => (n * 7919) % 500 })).toEqual([])
  })
  it('agrees on sessions of thousands of events, each sent twice, the second time near or far behind the first', () => {
    const users = traffic
      .slice(0, 6000)
      .map((event, i) => ({ ...event, orgId: 'one', productId: 'one', userId: `u${i % 3}`, ts: 1_772_000_000_000 + i * 500 }))
    const events = users.flatMap((event, i) => (i < 900 ? [event] : [event, users[i - (i % 2 === 0 ? 1 : (i * 7919) % 900)]]))
    expect(differences(events, { rows: (n) => (n * 7919) % 500 })).toEqual([])
  })
  it('agrees where names differ only in a U+FEFF that they begin with', () => {
    const also = traffic.slice(0, 2000).map((event) => ({
      ...event,
      eventId: `${event.eventId}+`,
      productId: `\uFEFF${event.productId}`,
      ...(event.screen !== undefined && { screen: `\uFEFF${event.screen}` }),
    }))
    expect(differences(traffic.slice(0, 2000).flatMap((event, i) => [event, also[i]]))).toEqual([])
    expect(
      differences(traffic.slice(0, 2000).map((event, i) => (i % 3 === 0 ? { ...event, orgId: `\uFEFF${event.orgId}` } : event))),
    ).toEqual([])
  })
  it('agrees on a session of hundreds of incidents which late events move, take away and bring back', () => {
    const T = 1_772_000_000_000
    const event = (n: number, ts: number, screen: string) => ({
      ...{ orgId: 'o', productId: 'p', userId: 'u', eventId: `${n}`, type: 'screen_view' as const, ts, screen, receivedAt: T },
    })
    const views = Array.from({ length: 600 }, (_, n) => event(n, T + n * 2000, n % 2 === 0 ? '/a' : '/b'))
    const late = Array.from({ length: 12 }, (_, n) => event(600 + n, T + n * 90_000 + 1000, n % 3 === 0 ? '/c' : '/a'))
    const mixed = [...views.slice(0, 300), ...late.slice(0, 4), ...views.slice(300), ...late.slice(4)]
    for (const rows of [1000, 100, 7]) expect(differences(mixed, { rows: () => rows }), `${rows} rows`).toEqual([])
  })
  it('agrees with small gaps and caps', () => {
    expect(differences(traffic, { settings: { gapMs: 5_000, sessionEventsMax: 7, sessionMaxMs: 20_000 } })).toEqual([])
    expect(differences(traffic, { settings: { sessionEventsMax: 5, snapshotMs: 1_000, correctionMs: 120_000 }, rows: () => 13 })).toEqual(
      [],
    )
  })
})

it('closes the sessions of all users of a product whose timers are due at once, however many', () => {
  // More than a function may have arguments.
  const users = 130_000
  const user = (n: number) => ({ orgId: 'o', productId: 'p', eventId: `${n}`, userId: `${n}`, type: 'click' as const, ts: 1e12 })
  const run = new EngineRun(
    clickstream(settings).pipeline,
    Array.from({ length: users }, (_, n) => user(n)),
    new MemoryStore(),
  )
  run.compute({ epoch: 1, from: 0, to: users, inputs: {} })
  const { counters } = run.compute({ epoch: 2, from: users, to: users, inputs: { close: true } }).receipt
  expect(counters).toMatchObject({ open: 0, closed: users })
})

it('an event out of order costs steps by the number of incidents of its session, not by the square of it', () => {
  const incidents = 1000
  const event = (n: number, ts: number) => ({
    ...{ orgId: 'o', productId: 'p', userId: 'u', eventId: `${n}`, type: 'screen_view' as const, screen: n % 2 === 0 ? '/a' : '/b', ts },
  })
  const late = event(incidents, 1e12 + 500)
  const events = [...Array.from({ length: incidents }, (_, n) => event(n, 1e12 + n * 1000)), late]
  const run = new EngineRun(clickstream(settings).pipeline, events, new MemoryStore())
  run.compute({ epoch: 1, from: 0, to: incidents, inputs: {} })
  const chunks = vi.spyOn(run.computer.state.kept, 'next')
  const findIndex = Array.prototype.findIndex
  let looked = 0
  vi.spyOn(Array.prototype, 'findIndex').mockImplementation(function (this: unknown[], ...found) {
    looked += this.length
    return findIndex.apply(this, found)
  })
  run.compute({ epoch: 2, from: incidents, to: incidents + 1, inputs: {} })
  vi.restoreAllMocks()
  expect(chunks.mock.calls.length).toBeLessThan(5 * incidents)
  expect(looked).toBeLessThan(5 * incidents)
})

describe('a record of a megabyte that somebody else has put into the log', () => {
  it.each([
    ['letters', 'x'],
    ['quotes', '"'],
    ['control characters', '\u0001'],
  ])('of %s is a dead letter that fits into a message of 1 MiB, and the same when it is computed again', (_, character) => {
    const long = { screen: character.repeat(1_000_000) } as unknown as WireEvent
    const events = [long, ...trafficEvents({ seed: 1, events: 10 })]
    const run = () => new EngineRun(clickstream(settings).pipeline, events, new MemoryStore())
    const [plan] = planEpochs(events.length, () => events.length)
    const epoch = run().compute(plan)
    const [letter] = recordsOf<DeadLetterRow>([epoch], 'events.dlq')
    const whole = JSON.stringify(long)
    expect(letter).toMatchObject({ code: 'EVENT_TOO_LARGE', offset: 0, record: whole.slice(0, 16 << 10), whole_bytes: whole.length })
    expect(Buffer.byteLength(JSON.stringify(letter))).toBeLessThan(1 << 17)
    expect(run().compute(plan, epoch.receipt).receipt).toEqual(epoch.receipt)
  })
})
