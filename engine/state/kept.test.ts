import fc from 'fast-check'
import { expect, it } from 'vitest'
import { newBatch, resetBatch, scanBlock } from '../../model/scan.ts'
import { CHUNK_EVENTS, EventCursor, Kept } from './kept.ts'

const TYPES = ['screen_view', 'task_started', 'click', 'custom', 'error', 'task_completed']

/** A batch of events with these times and types; its rows' screens are symbols 1, 2, … */
function batchOf(events: readonly { at: number; type: number }[]) {
  const lines = events.map(({ at, type }, i) =>
    JSON.stringify({
      eventId: `e${i}`,
      orgId: 'o',
      productId: 'p',
      userId: 'u',
      type: TYPES[type],
      ts: 1_700_000_000_000 + at,
      receivedAt: 1_700_000_000_000,
    }),
  )
  const bytes = Buffer.from(`${lines.join('\n')}\n${' '.repeat(64)}`)
  const batch = newBatch()
  resetBatch(batch, bytes, bytes.length - 64)
  scanBlock(batch, 0, bytes.length - 64, 0)
  return { batch, symbols: Uint32Array.from(events, (_, i) => i + 1) }
}

/** Puts a row into a chain as the session window does: behind its events, or among them. */
function put(
  kept: Kept,
  chain: { head: number; tail: number; count: number },
  { batch, symbols }: ReturnType<typeof batchOf>,
  row: number,
) {
  const slot = chain.count % CHUNK_EVENTS
  if (chain.count > 0 && kept.rowBefore(batch, row, kept.at(chain.tail, (chain.count - 1) % CHUNK_EVENTS))) {
    chain.tail = kept.insert(chain.head, chain.count, batch, row, symbols)
  } else {
    if (slot === 0) {
      const next = kept.arena.allocDirty()
      if (chain.count === 0) chain.head = next
      else kept.link(chain.tail, next)
      chain.tail = next
    }
    kept.write(kept.at(chain.tail, slot), batch, row, symbols)
  }
  chain.count++
}

const read = (kept: Kept, chain: { head: number; count: number }) => {
  const cursor = new EventCursor(kept)
  const rows: { at: number; type: string; screen: number; offset: number }[] = []
  const places: number[] = []
  kept.places(chain.head, chain.count, places)
  if (chain.count > 0) cursor.begin(chain.head, 0)
  for (const place of places) {
    cursor.next()
    rows.push({ at: cursor.timeMs, type: cursor.type, screen: cursor.screen, offset: kept.offset(place) })
  }
  return rows
}

const events = fc.array(fc.record({ at: fc.nat(12), type: fc.nat(5) }), { minLength: 1, maxLength: 40 })

it('a chain is in order whatever order its rows came in, and holds their ids', () => {
  fc.assert(
    fc.property(events, (list) => {
      const kept = new Kept(new Set(['screen']))
      const rows = batchOf(list)
      const chain = { head: 0, tail: 0, count: 0 }
      for (let row = 0; row < list.length; row++) {
        expect(kept.hasId(chain.head, chain.count, rows.batch, row)).toBe(false)
        put(kept, chain, rows, row)
        expect(kept.hasId(chain.head, chain.count, rows.batch, row)).toBe(true)
      }
      const found = read(kept, chain)
      expect(found.map(({ offset }) => offset).sort((a, b) => a - b)).toEqual(list.map((_, i) => i))
      for (const { at, type, screen, offset } of found) {
        expect({ at, type, screen }).toEqual({
          at: 1_700_000_000_000 + list[offset].at,
          type: TYPES[list[offset].type],
          screen: offset + 1,
        })
      }
      const places: number[] = []
      kept.places(chain.head, chain.count, places)
      for (let i = 1; i < places.length; i++) expect(kept.compare(places[i - 1], places[i])).toBeLessThan(0)
    }),
  )
})

it('a turn that is undone leaves the chain as it was', () => {
  fc.assert(
    fc.property(events, events, fc.nat(), (before, during, savepoint) => {
      const kept = new Kept(new Set(['screen']))
      const rows = batchOf([...before, ...during])
      const chain = { head: 0, tail: 0, count: 0 }
      for (let row = 0; row < before.length; row++) put(kept, chain, rows, row)
      kept.arena.settle()
      const was = { ...chain }
      const content = read(kept, chain)
      const outer = kept.arena.savepoint()
      let inner: { mark: typeof outer; chain: typeof chain; content: ReturnType<typeof read> } | undefined
      during.forEach((_, i) => {
        if (i === savepoint % during.length) inner = { mark: kept.arena.savepoint(), chain: { ...chain }, content: read(kept, chain) }
        put(kept, chain, rows, before.length + i)
      })
      if (inner) {
        kept.arena.rollback(inner.mark)
        expect(read(kept, inner.chain)).toEqual(inner.content)
      }
      kept.arena.rollback(outer)
      expect(read(kept, was)).toEqual(content)
    }),
  )
})
