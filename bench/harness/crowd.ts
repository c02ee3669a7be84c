// A crowd: as many users as wanted whose sessions are all open, each with the same number of events, in lines as they are behind the door.
//
// Where generated traffic is skewed as traffic is (Zipf, visits that end), a crowd is even, so that a figure is of a size that its name says:
// every user comes once per round, a round lasts a minute of event time, and who follows whom is another order in each round. The events of
// eight rounds have all types. Organisations are shared out evenly over the partitions. Everything is a function of the shape.
import { kafkaPartition } from '../../model/hash.ts'
import { fragment, LineWriter } from '../../services/traffic/line-writer.ts'
import { Random } from '../../services/traffic/random.ts'

export interface CrowdShape {
  /** Of them sessions are open at the end. */
  users: number
  /** Events of each, a minute apart. */
  rounds: number
  /** A multiple of the partitions. */
  orgs: number
  partitions: number
  /** Users seen before them, each once, spread over a week: nothing of theirs can be corrected any more when the first round begins. */
  before: number
  /** They come in cohorts, and again and again: see returning.ts. */
  returning?: true
}

export const crowdDefaults: CrowdShape = { users: 1_000_000, rounds: 8, orgs: 64, partitions: 8, before: 0 }

export const ROUND_MS = 60_000
/** Those before come within a week, and gap and correction time are over when the first round begins. */
const BEFORE_MS = 7 * 86_400_000
const PAUSE_MS = 7_200_000
/** Monday 2026-03-02, 07:00 UTC: the first round begins. */
export const CROWD_START_MS = 1_772_434_800_000
/** Event time after the last event. */
export const crowdEndMs = ({ rounds }: CrowdShape): number => CROWD_START_MS + rounds * ROUND_MS

export const eventsOf = ({ users, rounds, before }: CrowdShape): number => users * rounds + before
export const crowdName = ({ users, rounds, orgs, partitions, before, returning }: CrowdShape): string =>
  `${users}x${rounds}-${orgs}-${partitions}-${returning ? 'returning' : before}`

/** What a user does from round to round: all types. */
const KINDS = ['view', 'click', 'started', 'click', 'custom', 'error', 'view', 'completed'] as const
type Kind = (typeof KINDS)[number]

/** Primes larger than any crowd: a number of users that is no multiple of one is gone through in another order by each. */
const STRIDES = [32_452_843, 49_979_687, 67_867_967, 86_028_121, 104_395_301, 122_949_823, 141_650_939, 160_481_183]

const OPEN = fragment('{"eventId":"')
const TYPE = fragment('","type":"')
const RECEIVED = fragment(',"receivedAt":')
const END = fragment('}\n')
const TS = fragment('","ts":')
const VARIANTS = 64
const LINE_BYTES_MAX = 1024

const TYPES: Record<Kind, Uint8Array> = {
  view: fragment('screen_view'),
  click: fragment('click'),
  started: fragment('task_started'),
  completed: fragment('task_completed'),
  custom: fragment('custom","name":"add_to_basket'),
  error: fragment('error'),
}
const AREAS = ['checkout', 'catalogue', 'account', 'help']
const TASKS = ['order_item', 'change_address', 'return_item', 'find_item']

/** What follows an event's time, up to receivedAt, in so many variants. */
const TAILS: Record<Kind, Uint8Array[]> = {
  view: tails((n) => `"properties":{"loadMs":${200 + n * 7},"viewport":"1440x900","build":"2026.${1000 + n}"}`),
  click: tails((n) => `"element":${JSON.stringify(elementOf(n))},"x":${40 + n * 9},"y":${80 + n * 5}`),
  started: tails((n) => `"taskType":"${TASKS[n % 4]}","taskLabel":"in ${2 + (n % 5)} steps"`),
  completed: tails((n) => `"taskType":"${TASKS[n % 4]}","success":${n % 8 < 7}`),
  custom: tails((n) => `"properties":{"itemId":${100_000 + n * 77},"price":${n * 13},"source":"list-${n % 9}"}`),
  error: tails((n) => `"properties":{"code":${500 + (n % 4)},"message":"The service did not answer","retry":${n}}`),
}

function tails(fields: (variant: number) => string): Uint8Array[] {
  return Array.from({ length: VARIANTS }, (_, n) => {
    const area = AREAS[n % 4]
    return fragment(`,"screen":"/${area}/page-${n >> 2}","context":"${area}",${fields(n)}`)
  })
}

function elementOf(n: number): string {
  return `button[data-action=choose-${n % 16}]`
}

/** Names of so many organisations of which each partition has as many; organisation n is in partition n modulo partitions. */
export function orgsEvenly(orgs: number, partitions: number): string[] {
  const names = new Array<string>(orgs)
  const taken = new Array<number>(partitions).fill(0)
  const encoder = new TextEncoder()
  for (let n = 0, left = orgs; left > 0; n++) {
    const org = `org-${n.toString(36)}`
    const partition = kafkaPartition(encoder.encode(`${org}:shop`), partitions)
    const at = taken[partition] * partitions + partition
    if (at >= orgs) continue
    taken[partition]++
    names[at] = org
    left--
  }
  return names
}

export class Crowd {
  readonly partitions: number
  private readonly orgs: number
  private readonly heads: Uint8Array[]
  private readonly random: Random

  constructor({ orgs, partitions }: CrowdShape, seed = 1) {
    this.partitions = partitions
    this.orgs = orgs
    this.random = new Random(seed, 7)
    this.heads = orgsEvenly(orgs, partitions).map((org) => fragment(`","orgId":"${org}","productId":"shop","userId":"user-`))
  }

  partitionOf(user: number): number {
    return (user % this.orgs) % this.partitions
  }

  /** A user's event of a round, with an id that no other has. */
  write(to: LineWriter, user: number, round: number, ms: number, receivedMs: number): void {
    this.line(to, user, KINDS[round % KINDS.length], this.random.below(VARIANTS), ms, receivedMs)
  }

  /** A click on element `variant`. */
  writeClick(to: LineWriter, user: number, variant: number, ms: number, receivedMs: number): void {
    this.line(to, user, 'click', variant % VARIANTS, ms, receivedMs)
  }

  private line(to: LineWriter, user: number, kind: Kind, variant: number, ms: number, receivedMs: number): void {
    const { random } = this
    to.reserve(LINE_BYTES_MAX)
    to.put(OPEN)
    to.uuid(random.word(), random.word(), random.word(), random.word())
    to.put(this.heads[user % this.orgs])
    to.long(10_000_000_000 + user)
    to.put(TYPE)
    to.put(TYPES[kind])
    to.put(TS)
    to.long(ms)
    to.put(TAILS[kind][variant])
    to.put(RECEIVED)
    to.long(receivedMs)
    to.put(END)
  }
}

/** The user at a place of a round. */
export const userAt = (round: number, place: number, users: number): number =>
  // Below 2^53 for 50 million users.
  (place * STRIDES[round % STRIDES.length] + round) % users

export interface CrowdBlock {
  partition: number
  count: number
  bytes: Uint8Array
}

/** Puts events of a crowd into blocks, one for each partition. */
export class CrowdWriter {
  /** Events that no block has yet. */
  waiting = 0
  private readonly crowd: Crowd
  private readonly writers: LineWriter[]
  private readonly counts: number[]

  constructor(shape: CrowdShape) {
    this.crowd = new Crowd(shape)
    this.writers = Array.from({ length: shape.partitions }, () => new LineWriter())
    this.counts = new Array<number>(shape.partitions).fill(0)
  }

  add(user: number, round: number, ms: number): void {
    const partition = this.crowd.partitionOf(user)
    this.crowd.write(this.writers[partition], user, round, ms, ms + 50)
    this.counts[partition]++
    this.waiting++
  }

  take(): CrowdBlock[] {
    this.waiting = 0
    return this.writers.flatMap((writer, partition) => {
      const block = { partition, count: this.counts[partition], bytes: writer.bytes.slice(0, writer.pos) }
      writer.pos = this.counts[partition] = 0
      return block.count > 0 ? [block] : []
    })
  }
}

/** The whole crowd as blocks, one for each partition for every `every` events. */
export function* crowdBlocks(shape: CrowdShape, every = 8192): Generator<CrowdBlock[]> {
  const { users, rounds, before } = shape
  const writer = new CrowdWriter(shape)
  for (let place = 0; place < before; place++) {
    writer.add(users + place, place, CROWD_START_MS - PAUSE_MS - BEFORE_MS + Math.floor((place / before) * BEFORE_MS))
    if (writer.waiting === every) yield writer.take()
  }
  for (let round = 0; round < rounds; round++)
    for (let place = 0; place < users; place++) {
      writer.add(userAt(round, place, users), round, CROWD_START_MS + round * ROUND_MS + Math.floor((place / users) * ROUND_MS))
      if (writer.waiting === every) yield writer.take()
    }
  if (writer.waiting > 0) yield writer.take()
}
