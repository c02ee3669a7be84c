// A thread that appends events to the log when they are due, whatever becomes of those before: an open loop. What could not be appended in
// time goes as soon as it can, and keeps its due time, from which latency counts (no coordinated omission).
//
// Among the events of a stream are patterns: three clicks by one user on one element, 100 ms apart. Each completes a rage click, whose
// `last_at` is the due time of its third click, so that whoever reads the incident knows when it was due.
// The other users of a stream are the whole crowd in turn, or visitors, who go when their visit is over and are followed by others.
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import type { Log, OutputBlock } from '../../engine/log/contract.ts'
import { LineWriter } from '../../services/traffic/line-writer.ts'
import type { SharedLog } from '../../stores/log/shared-log.ts'
import { Crowd, type CrowdShape } from './crowd.ts'
import type { Reached } from './gaps.ts'
import { preciseNow } from './live.ts'
import { openLog, TOPIC } from './workload.ts'

export interface LoadStream {
  /** Events per second, patterns among them. */
  rate: number
  /** Organisations [from, to) of the crowd, each with as many events. */
  orgs: readonly [from: number, to: number]
  /** Patterns completed per second; 0 for none. */
  patterns: number
  /** Only in every second window of so many ms, the first one not; 0: always. */
  everySecondMs: number
  /** Of each organisation so many at a time, for visits of VISIT_EVENTS; the crowd's users in turn, where not given. */
  visitors?: number
  /** Visitors' events in a load before: who was there then goes on. */
  begun?: number
}

export interface LoadOrder {
  shared: SharedLog
  folder: string
  shape: CrowdShape
  streams: readonly LoadStream[]
  /** Due time of each stream's first event, ms since epoch. */
  fromMs: number
  /** Event time minus due time. */
  shiftMs: number
  seed: number
}

const PATTERN_USERS = 1024
const PATTERN_STEP_SECONDS = 0.1
/** Events of a visit. */
export const VISIT_EVENTS = 16
/** In one commit, of each stream. */
const COMMIT_EVENTS = 20_000
/** What is due within so long goes into one commit, as producers do (Kafka's linger.ms, since 4.0); each event's wait counts. A commit for every few events would be
 *  measured as load of the engine, of which each thread reads every commit's directory. */
const LINGER_MS = 5

/** What a stream sends: event n is due at n / rate seconds. */
export class StreamPlan {
  readonly stream: LoadStream
  private readonly orgs: number
  private readonly perOrg: number
  private readonly stride: number
  private readonly lag: number
  private readonly patternUsers: number

  constructor(stream: LoadStream, { users, orgs }: CrowdShape) {
    this.stream = stream
    this.orgs = orgs
    this.perOrg = Math.floor(users / orgs)
    this.stride = stream.patterns > 0 ? Math.floor(stream.rate / stream.patterns) : 0
    if (stream.patterns > 0 && this.stride < 3) throw new RangeError('a pattern has three events')
    this.lag = Math.ceil((PATTERN_STEP_SECONDS * stream.rate) / Math.max(1, this.stride))
    this.patternUsers = stream.visitors === undefined ? Math.min(PATTERN_USERS, this.perOrg >> 1) : PATTERN_USERS
  }

  /** Event n: its user, and for a click of a pattern which of three (1 … 3) and its element; 0 for any other, which is of a round of the user's own:
   *  a user does one thing after the other, and there are some at each. */
  event(n: number): { user: number; click: 0 | 1 | 2 | 3; element: number; round: number } {
    const { stride, lag, orgs, perOrg, patternUsers } = this
    const [from, to] = this.stream.orgs
    const count = to - from
    if (stride > 0 && n % stride < 3) {
      const click = n % stride
      const pattern = Math.floor(n / stride) - click * lag
      if (pattern >= 0) {
        const turn = Math.floor(pattern / count)
        return {
          user: (turn % patternUsers) * orgs + from + (pattern % count),
          click: (click + 1) as 1 | 2 | 3,
          element: Math.floor(turn / patternUsers),
          round: 0,
        }
      }
    }
    if (this.stream.visitors !== undefined) return this.visit(n, this.stream.visitors)
    const others = perOrg - patternUsers
    const turn = Math.floor(n / count)
    const k = (turn * 7919) % others
    return { user: (patternUsers + k) * orgs + from + (n % count), click: 0, element: 0, round: Math.floor(turn / others) + k }
  }

  /** Events before event n that are of no pattern. */
  others(n: number): number {
    let own = n
    if (this.stride > 0) for (let click = 0; click < 3; click++) own -= Math.max(0, Math.ceil((n - click) / this.stride) - click * this.lag)
    return own
  }

  /** Who is at a place comes there again and again, and after a visit another does. Visits begin at different times. */
  private visit(n: number, visitors: number): ReturnType<StreamPlan['event']> {
    const { orgs, patternUsers, stream } = this
    const [from, to] = stream.orgs
    const nth = this.others(n) + (stream.begun ?? 0)
    const turn = Math.floor(nth / (to - from))
    const place = turn % visitors
    const round = Math.floor(turn / visitors) + (place % VISIT_EVENTS)
    const visitor = patternUsers + Math.floor(round / VISIT_EVENTS) * visitors + place
    return { user: visitor * orgs + from + (nth % (to - from)), click: 0, element: 0, round }
  }

  /** Whether event n, due so many ms after the first, is sent at all. */
  isOn(dueMs: number): boolean {
    const { everySecondMs } = this.stream
    return everySecondMs === 0 || Math.floor(dueMs / everySecondMs) % 2 === 1
  }
}

/** What of some streams is due, event by event in each stream's order. */
export class DueEvents {
  events = 0
  patterns = 0
  /** The longest that one waited to be taken. */
  latestMs = 0
  private readonly order: Omit<LoadOrder, 'shared' | 'folder'>
  private readonly crowd: Crowd
  /** `next` is looked at next, `sent` of those before were sent. */
  private readonly plans: { plan: StreamPlan; next: number; sent: number }[]
  private readonly writers: LineWriter[]
  private readonly counts: number[]

  constructor(order: Omit<LoadOrder, 'shared' | 'folder'>) {
    const { shape, streams, seed } = order
    this.order = order
    this.crowd = new Crowd(shape, seed)
    this.plans = streams.map((stream) => ({ plan: new StreamPlan(stream, shape), next: 0, sent: 0 }))
    this.writers = Array.from({ length: shape.partitions }, () => new LineWriter())
    this.counts = new Array<number>(shape.partitions).fill(0)
  }

  /** Of each stream: what `begun` is for a load that goes on. */
  get begun(): number[] {
    return this.plans.map(({ plan, sent }) => plan.others(sent) + (plan.stream.begun ?? 0))
  }

  /** What is due at `nowMs` and was not taken, at most COMMIT_EVENTS of each stream. */
  take(nowMs: number): OutputBlock[] {
    const { crowd, writers, counts } = this
    const { fromMs, shiftMs } = this.order
    for (const each of this.plans) {
      const { plan } = each
      const { rate } = plan.stream
      const due = Math.min(each.next + COMMIT_EVENTS, Math.floor(((nowMs - fromMs) / 1000) * rate))
      for (; each.next < due; each.next++) {
        const dueMs = (each.next / rate) * 1000
        if (!plan.isOn(dueMs)) continue
        const { user, click, element, round } = plan.event(each.sent++)
        const partition = crowd.partitionOf(user)
        const at = Math.floor(fromMs + dueMs)
        if (click === 0) crowd.write(writers[partition], user, round, at + shiftMs, at)
        else crowd.writeClick(writers[partition], user, element, at + shiftMs, at)
        if (click === 3) this.patterns++
        this.latestMs = Math.max(this.latestMs, nowMs - at)
        counts[partition]++
        this.events++
      }
    }
    return writers.flatMap((writer, partition) => {
      const block = { topic: TOPIC, partition, count: counts[partition], bytes: writer.bytes.slice(0, writer.pos) }
      writer.pos = counts[partition] = 0
      return block.count > 0 ? [block] : []
    })
  }
}

/** Appends blocks, a commit each. */
export async function appender(log: Log): Promise<(outputs: OutputBlock[]) => Promise<void>> {
  const claim = await log.claim('load')
  let epoch = claim.last?.epoch ?? 0
  return (outputs) => {
    epoch++
    return claim.commit({ outputs, receipt: { epoch, to: epoch }, release: { receiptsThrough: epoch - 1, inputBefore: 0 } })
  }
}

async function run(order: LoadOrder): Promise<void> {
  const append = await appender(await openLog(order.folder, 'load', order.shared))
  const due = new DueEvents(order)
  let inputBytes = 0
  /** When so many events could be read. */
  const arrivals: Reached[] = []
  let stopping = false
  parentPort!.on('message', () => {
    stopping = true
  })
  parentPort!.postMessage({ type: 'ready' })
  while (!stopping) {
    const takenMs = preciseNow()
    const blocks = due.take(takenMs)
    if (blocks.length > 0) {
      await append(blocks)
      inputBytes += blocks.reduce((sum, { bytes }) => sum + bytes.length, 0)
      arrivals.push([preciseNow(), due.events])
    }
    await sleep(Math.max(0, takenMs + LINGER_MS - preciseNow()))
  }
  const { events, patterns, latestMs, begun } = due
  parentPort!.postMessage({ type: 'stopped', events, patterns, latestMs, begun, arrivals, inputBytes })
}

if (parentPort !== null && (workerData as Partial<LoadOrder> | null)?.streams) await run(workerData as LoadOrder)
