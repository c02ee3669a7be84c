// Nexmark's questions on the public operators, and what each must answer (computed in one pass, sharing no code with them).
import { type KeyedStream, session, source, type Topology, topology, tumbling } from '../../streams/index.ts'
import { type Bid, type NexmarkEvent, nexmarkEvent } from './nexmark-events.ts'

const WINDOW_MS = 10_000
export const NEXMARK_TOPIC = 'nexmark'
export const NEXMARK_OUT = 'answer'

const isBid = (event: NexmarkEvent): event is Bid => event.kind === 'bid'
const events = (timeMs: (event: NexmarkEvent) => number) =>
  source(NEXMARK_TOPIC, { parse: (value) => value as NexmarkEvent, timeMs }).keyBy((event) => (isBid(event) ? `${event.bidder}` : ''))
const byEventTime = () => events(({ at }) => at)
/** By the time of receipt, which stands in the record: the clock itself would give another answer each time. */
const byProcessingTime = () => events(({ receivedAt }) => receivedAt)

const bidsPer = (bids: KeyedStream<Bid>, windows: Parameters<KeyedStream<Bid>['window']>[0]) =>
  bids.window(windows, {
    name: 'bids',
    init: () => 0,
    add: (n) => n + 1,
    result: (n, { key, fromMs, toMs }) => ({ bidder: Number(key), bids: n, fromMs, toMs }),
  })

export const queries: Readonly<Record<string, () => Topology>> = {
  q0: () => topology('q0', byEventTime().to(NEXMARK_OUT)),
  q1: () =>
    topology(
      'q1',
      byEventTime()
        .filter(isBid)
        .map((bid) => ({ ...bid, price: 0.908 * bid.price }))
        .to(NEXMARK_OUT),
    ),
  q2: () =>
    topology(
      'q2',
      byEventTime()
        .filter(isBid)
        .filter(({ auction }) => auction % 123 === 0)
        .map(({ auction, price }) => ({ auction, price }))
        .to(NEXMARK_OUT),
    ),
  q11: () => topology('q11', bidsPer(byEventTime().filter(isBid), session({ gapMs: WINDOW_MS })).to(NEXMARK_OUT)),
  q12: () => topology('q12', bidsPer(byProcessingTime().filter(isBid), tumbling({ sizeMs: WINDOW_MS })).to(NEXMARK_OUT)),
}

/** What must come out, in any order. */
export function* oracle(query: string, seed: number, count: number): Generator<string> {
  const open = new Map<number, { bids: number; fromMs: number; lastMs: number }>()
  const answer = (bidder: number, { bids, fromMs, lastMs }: { bids: number; fromMs: number; lastMs: number }) =>
    JSON.stringify({ bidder, bids, fromMs, toMs: query === 'q11' ? lastMs + WINDOW_MS : fromMs + WINDOW_MS })
  for (let n = 0; n < count; n++) {
    const event = nexmarkEvent(seed, n)
    if (query === 'q0') yield JSON.stringify(event)
    if (event.kind !== 'bid') continue
    if (query === 'q1') yield JSON.stringify({ ...event, price: 0.908 * event.price })
    if (query === 'q2' && event.auction % 123 === 0) yield JSON.stringify({ auction: event.auction, price: event.price })
    if (query !== 'q11' && query !== 'q12') continue
    const known = open.get(event.bidder)
    const timeMs = query === 'q11' ? event.at : event.receivedAt
    const isNew = !known || (query === 'q11' ? timeMs - known.lastMs > WINDOW_MS : timeMs >= known.fromMs + WINDOW_MS)
    if (known && isNew) yield answer(event.bidder, known)
    const fromMs = query === 'q11' ? timeMs : Math.floor(timeMs / WINDOW_MS) * WINDOW_MS
    if (isNew) open.set(event.bidder, { bids: 1, fromMs, lastMs: timeMs })
    else open.set(event.bidder, { ...known, bids: known.bids + 1, lastMs: timeMs })
  }
  for (const [bidder, last] of open) yield answer(bidder, last)
}
