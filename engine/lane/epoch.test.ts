import { describe, expect, it } from 'vitest'
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
  it('agrees with small gaps and caps', () => {
    expect(differences(traffic, { settings: { gapMs: 5_000, sessionEventsMax: 7, sessionMaxMs: 20_000 } })).toEqual([])
    expect(differences(traffic, { settings: { sessionEventsMax: 5, snapshotMs: 1_000, correctionMs: 120_000 }, rows: () => 13 })).toEqual(
      [],
    )
  })
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
