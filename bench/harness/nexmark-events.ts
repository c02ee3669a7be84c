// Nexmark's events (nexmark/nexmark, the generator that Flink's benchmark uses): event n is a function of (seed, n). Owns the distributions.
//
// person : auction : bid = 1 : 3 : 46; 100,000 events per second of event time; hot auctions, sellers and bidders as there.
const PER_EPOCH = 50
const FIRST_ID = 1000
const CATEGORIES = 5
const LEAD = 10
const ACTIVE_PEOPLE = 1000
const IN_FLIGHT = 100
const HOT_DIVISOR = 100
const BASE_MS = 1_750_000_000_000
const EVENTS_PER_MS = 100
const EVENTS_PER_HICCUP = 70_001

export interface Bid {
  kind: 'bid'
  auction: number
  bidder: number
  price: number
  at: number
  receivedAt: number
}
export interface Person {
  kind: 'person'
  id: number
  name: string
  city: string
  at: number
  receivedAt: number
}
export interface Auction {
  kind: 'auction'
  id: number
  seller: number
  category: number
  initialBid: number
  at: number
  receivedAt: number
}
export type NexmarkEvent = Bid | Person | Auction

/** Of (seed, n, k): 32 bits, mixed twice (splitmix). */
function bits(seed: number, n: number, k: number): number {
  let x = (Math.imul(n, 0x9e3779b9) + Math.imul(k + 1, 0x85ebca6b) + Math.imul(seed, 0xc2b2ae35)) | 0
  for (let round = 0; round < 2; round++) {
    x = Math.imul(x ^ (x >>> 16), 0x45d9f3b)
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d)
    x ^= x >>> 16
  }
  return x >>> 0
}

export function nexmarkEvent(seed: number, n: number): NexmarkEvent {
  const below = (k: number, limit: number) => Math.floor((bits(seed, n, k) / 2 ** 32) * limit)
  const epoch = Math.floor(n / PER_EPOCH)
  const rem = n % PER_EPOCH
  const at = BASE_MS + Math.floor(n / EVENTS_PER_MS)
  // As whoever received it would have written it: never back, and now and then a little later.
  const receivedAt = at + 50 + Math.floor(n / EVENTS_PER_HICCUP)
  const lastPerson = epoch
  const lastAuction = rem === 0 ? epoch * 3 - 1 : epoch * 3 + Math.min(rem, 3) - 1
  const person = (k: number) => {
    const active = Math.min(lastPerson + 1, ACTIVE_PEOPLE)
    return lastPerson + 1 - active + below(k, active + LEAD)
  }
  if (rem === 0)
    return { kind: 'person', id: FIRST_ID + lastPerson, name: `person ${below(0, 1000)}`, city: `city ${below(1, 20)}`, at, receivedAt }
  if (rem <= 3) {
    const seller = below(0, 4) > 0 ? Math.floor(lastPerson / HOT_DIVISOR) * HOT_DIVISOR : person(1)
    return {
      kind: 'auction',
      id: FIRST_ID + lastAuction,
      seller: FIRST_ID + seller,
      category: 10 + below(2, CATEGORIES),
      initialBid: price(below, 3),
      at,
      receivedAt,
    }
  }
  const oldest = Math.max(0, lastAuction - IN_FLIGHT)
  const auction = below(0, 2) > 0 ? Math.floor(lastAuction / HOT_DIVISOR) * HOT_DIVISOR : oldest + below(1, lastAuction - oldest + 1 + LEAD)
  const bidder = below(2, 4) > 0 ? Math.floor(lastPerson / HOT_DIVISOR) * HOT_DIVISOR + 1 : person(3)
  return { kind: 'bid', auction: FIRST_ID + auction, bidder: FIRST_ID + bidder, price: price(below, 4), at, receivedAt }
}

const price = (below: (k: number, limit: number) => number, k: number) => Math.round(10 ** ((below(k, 1 << 30) / 2 ** 30) * 6) * 100)
