// Dead letters of the clickstream: how many there are, what one of them is, and putting them in again. Owns which of them were replayed: that is in the
// receipt of the commit that appends them, so each is appended once, whatever dies in the middle (protocol 7).
// 1. A replayed record is a new record of the source topic; one that fails again is a new dead letter, which can be replayed in its turn.
// 2. Each replay claims the name anew, and gives it back; who lists and shows claims nothing: other processes replay, too, and nobody is fenced by being looked at.
// 3. What the door refuses (a record that is no event) is not appended, and stays as it was. So does a record of which only the beginning was kept.
import { EngineError } from '../../engine/errors.ts'
import type { Log, LogReceipt } from '../../engine/log/contract.ts'
import type { EventError } from '../../model/batch.ts'
import { Door } from '../../model/door.ts'
import { EVENT_BYTES_MAX } from '../../model/event.ts'
import { SLACK } from '../../model/scan-plain.ts'
import { StorageError } from '../../stores/files/storage-error.ts'
import { type Patience, patientClaim } from './patient-claim.ts'

/** Partition and offset in the topic of dead letters. */
export type Place = readonly [partition: number, offset: number]

export interface DeadLetterSelection {
  /** Only these. */
  places?: readonly Place[]
  /** Only those with this code. */
  code?: string
}

export type DeadLetterRequest = { ask: 'list'; limit: number } | { ask: 'show'; place: Place } | ({ ask: 'replay' } & DeadLetterSelection)

/** Those of one code, topic and hour. */
export interface DeadLetterGroup {
  code: string
  /** Where the records came from. */
  topic: string
  /** The hour in which they were received, ISO 8601; '' where the record does not say. */
  hour: string
  count: number
  replayed: number
}

export interface DeadLetter {
  partition: number
  offset: number
  code: string
  message: string
  /** Where the record is in the source topic. */
  source: { topic: string; partition: number; offset: number }
  replayed: boolean
  record: string
  /** Bytes of the record, where only its beginning was kept (model/kept-record.ts). */
  wholeBytes?: number
}

export interface DeadLetterList {
  groups: DeadLetterGroup[]
  /** The newest, without their records. */
  newest: Omit<DeadLetter, 'record'>[]
}

export interface ReplayResult {
  replayed: number
  /** Of those that were named: had been replayed before. */
  already: number
  /** No events: the first of them, and how many there are. */
  refused: number
  refusals: { partition: number; offset: number; code: string; message: string }[]
}

export type DeadLetterAnswer<R extends DeadLetterRequest> = R extends { ask: 'list' }
  ? DeadLetterList
  : R extends { ask: 'show' }
    ? DeadLetter
    : ReplayResult

interface ReplayReceipt extends LogReceipt {
  /** All that were ever replayed, per partition: from (inclusive) and to (exclusive), ascending, apart from each other. */
  replayed: Record<string, [from: number, to: number][]>
}

export interface DeadLettersOptions {
  log: Log
  /** What a name committed last, in that log. */
  lastReceipt<R extends LogReceipt>(name: string): Promise<R | undefined>
  lineage: string
  /** Of the topology that they come from. */
  topic: string
  partitions: number
  query<T>(sql: string, params?: Record<string, unknown>): Promise<T[]>
  nowMs: () => number
  patience: Patience
  /** Records in one commit; a test makes it small. */
  pageRows?: number
}

const PAGE_ROWS = 1_000
const REFUSALS_SHOWN = 20
const FIELDS = 'partition, offset, code, message, source_partition, source_offset, whole_bytes'

type Row = {
  partition: number
  offset: number | string
  code: string
  message: string
  source_partition: number
  source_offset: number | string
  whole_bytes: number | string | null
}
type Ranges = Map<number, [number, number][]>

/** Of one replay, with what is committed so far. */
interface ReplayClaim {
  claim: Awaited<ReturnType<typeof patientClaim<ReplayReceipt>>>
  epoch: number
  replayed: Ranges
  /** A commit failed (4 of contract.ts). */
  isOver: boolean
}

export class DeadLetters {
  private readonly options: DeadLettersOptions
  private readonly door: Door
  private last: Promise<unknown> = Promise.resolve()

  constructor(options: DeadLettersOptions) {
    this.options = options
    this.door = new Door({ partitions: options.partitions })
  }

  /** Errors: DEAD_LETTER_UNKNOWN; those of the log and the store. One replay after the other. */
  ask<R extends DeadLetterRequest>(request: R): Promise<DeadLetterAnswer<R>> {
    if (request.ask !== 'replay') return this.answer(request) as Promise<DeadLetterAnswer<R>>
    const answer = this.last.then(() => this.answer(request)) as Promise<DeadLetterAnswer<R>>
    this.last = answer.catch(() => undefined)
    return answer
  }

  private answer(request: DeadLetterRequest): Promise<DeadLetterList | DeadLetter | ReplayResult> {
    if (request.ask === 'list') return this.list(request.limit)
    return request.ask === 'show' ? this.show(request.place) : this.replay(request)
  }

  private async replay(selection: DeadLetterSelection): Promise<ReplayResult> {
    const claim = await this.claim()
    try {
      return await this.replayAs(claim, selection)
    } catch (error) {
      throw (error as { code?: unknown }).code === 'FENCED' ? fenced(error) : error
    } finally {
      // What is committed is committed, and the next claim does without this one's end.
      if (!claim.isOver) await claim.claim.release().catch(() => undefined)
    }
  }

  private async list(limit: number): Promise<DeadLetterList> {
    const replayed = await this.replayed()
    const { topic } = this.options
    const rows = await this.options.query<{ code: string; at: string; n: number | string; done: number | string }>(
      `SELECT code, if(ms = 0, '', formatDateTime(toStartOfHour(fromUnixTimestamp64Milli(ms, 'UTC')), '%Y-%m-%dT%H:00:00Z')) AS at, count() AS n,
        countIf(${wasReplayed(replayed)}) AS done
      FROM (SELECT *, toInt64(JSONExtractUInt(record, 'receivedAt')) AS ms FROM events_dlq WHERE lineage = {lineage:String}) GROUP BY code, at ORDER BY code, at`,
      this.params,
    )
    const newest = await this.options.query<Row & { done: number }>(
      `SELECT ${FIELDS}, ${wasReplayed(replayed)} AS done FROM events_dlq WHERE lineage = {lineage:String}
      ORDER BY JSONExtractUInt(record, 'receivedAt') DESC, offset DESC, partition LIMIT {limit:UInt32}`,
      { ...this.params, limit },
    )
    return {
      groups: rows.map(({ code, at, n, done }) => ({ code, topic, hour: at, count: Number(n), replayed: Number(done) })),
      newest: newest.map((row) => ({ ...this.describe(row), replayed: Boolean(row.done) })),
    }
  }

  private async show(place: Place): Promise<DeadLetter> {
    const replayed = await this.replayed()
    const [row] = await this.rows([place])
    if (!row) throw unknown(place)
    return { ...this.describe(row), replayed: includes(replayed, place), record: row.record }
  }

  private async replayAs(claim: ReplayClaim, { places, code }: DeadLetterSelection): Promise<ReplayResult> {
    const result: ReplayResult = { replayed: 0, already: 0, refused: 0, refusals: [] }
    if (places) {
      const found = await this.rows(places)
      const missing = places.find(
        ([partition, offset]) => !found.some((row) => row.partition === partition && Number(row.offset) === offset),
      )
      if (missing) throw unknown(missing)
      const fresh = found.filter((row) => !includes(claim.replayed, placeOf(row)))
      result.already = found.length - fresh.length
      await this.append(claim, fresh, result)
      return result
    }
    const { pageRows = PAGE_ROWS } = this.options
    for (let after: Place = [0, -1]; ; ) {
      const rows = await this.options.query<Row & { record: string }>(
        `SELECT ${FIELDS}, record FROM events_dlq WHERE lineage = {lineage:String} AND (partition, toInt64(offset)) > ({p:UInt16}, {o:Int64})
          AND NOT ${wasReplayed(claim.replayed)} ${code === undefined ? '' : 'AND code = {code:String}'} ORDER BY partition, offset LIMIT {limit:UInt32}`,
        { ...this.params, p: after[0], o: after[1], code, limit: pageRows },
      )
      if (rows.length === 0) return result
      await this.append(claim, rows, result)
      after = placeOf(rows.at(-1)!)
    }
  }

  /** One commit: the records, and that they were replayed. */
  private async append(state: ReplayClaim, rows: readonly (Row & { record: string })[], result: ReplayResult): Promise<void> {
    if (rows.length === 0) return
    const { topic, nowMs } = this.options
    // A line break within would make two lines of one record; what was cut off is not seen at the door.
    const text = Buffer.from(
      rows.map(({ record, whole_bytes }) => `${whole_bytes === null ? record.replaceAll('\n', ' ') : ''}\n`).join(''),
    )
    const { rejected } = this.door.accept(Buffer.concat([text, Buffer.alloc(SLACK)]), 0, text.length, nowMs())
    const taken = this.door.take()
    const refused = new Map<number, Pick<EventError, 'code' | 'message'>>(rejected.map((reason) => [reason.line, reason]))
    for (const [i, { whole_bytes }] of rows.entries()) if (whole_bytes !== null) refused.set(i, tooLarge(Number(whole_bytes)))
    const replayed: Ranges = new Map(
      Array.from(state.replayed, ([partition, ranges]) => [partition, ranges.map(([from, to]) => [from, to])]),
    )
    for (const [i, row] of rows.entries()) {
      const reason = refused.get(i)
      if (!reason && row.record.trim() !== '') add(replayed, placeOf(row))
      else {
        result.refused++
        const { code, message } = reason ?? { code: 'MALFORMED_JSON', message: 'the record is empty' }
        const [partition, offset] = placeOf(row)
        if (result.refusals.length < REFUSALS_SHOWN) result.refusals.push({ partition, offset, code, message })
      }
    }
    const count = taken.reduce((sum, { count }) => sum + count, 0)
    if (count === 0) return
    const epoch = state.epoch + 1
    const committing = state.claim.commit({
      outputs: taken.map(({ partition, count, bytes }) => ({ topic, partition, count, bytes })),
      receipt: { epoch, to: epoch, replayed: Object.fromEntries(replayed) },
      release: { receiptsThrough: epoch - 1, inputBefore: 0 },
    })
    await committing.catch((error: unknown) => {
      state.isOver = true
      throw error
    })
    this.door.give(taken)
    state.epoch = epoch
    state.replayed = replayed
    result.replayed += count
  }

  private rows(places: readonly Place[]): Promise<(Row & { record: string })[]> {
    return this.options.query(
      `SELECT ${FIELDS}, record FROM events_dlq WHERE lineage = {lineage:String}
        AND (partition, offset) IN (${places.map(([partition, offset]) => `(${partition}, ${offset})`).join(', ')}) ORDER BY partition, offset LIMIT 1 BY partition, offset`,
      { ...this.params },
    )
  }

  private get params(): Record<string, unknown> {
    return { lineage: this.options.lineage }
  }

  private describe(row: Row): Omit<DeadLetter, 'record' | 'replayed'> {
    const { partition, offset, code, message, source_partition, source_offset, whole_bytes } = row
    const source = { topic: this.options.topic, partition: source_partition, offset: Number(source_offset) }
    return { partition, offset: Number(offset), code, message, source, ...(whole_bytes !== null && { wholeBytes: Number(whole_bytes) }) }
  }

  private get name(): string {
    return `dlq.${this.options.lineage}`
  }

  private async replayed(): Promise<Ranges> {
    return rangesOf(await this.options.lastReceipt<ReplayReceipt>(this.name))
  }

  private async claim(): Promise<ReplayClaim> {
    const claim = await patientClaim<ReplayReceipt>(this.options.log, this.name, this.options.patience)
    return { claim, epoch: claim.last?.epoch ?? 0, replayed: rangesOf(claim.last), isOver: false }
  }
}

const rangesOf = (last: ReplayReceipt | undefined): Ranges =>
  new Map(Object.entries(last?.replayed ?? {}).map(([partition, ranges]) => [Number(partition), ranges]))

/** SQL; whole numbers only, so they stand in the text. */
function wasReplayed(replayed: Ranges): string {
  const ranges = Array.from(replayed, ([partition, own]) => own.map(([from, to]) => `(${partition}, ${from}, ${to})`)).flat()
  return ranges.length === 0 ? 'false' : `arrayExists(r -> r.1 = partition AND r.2 <= offset AND r.3 > offset, [${ranges.join(', ')}])`
}

const placeOf = ({ partition, offset }: Row): Place => [partition, Number(offset)]

const includes = (ranges: Ranges, [partition, offset]: Place) =>
  (ranges.get(partition) ?? []).some(([from, to]) => from <= offset && offset < to)

/** Neighbours become one range. */
function add(ranges: Ranges, [partition, offset]: Place): void {
  const own = ranges.get(partition) ?? []
  ranges.set(partition, own)
  const at = own.findIndex(([from]) => from > offset)
  const next = at < 0 ? own.length : at
  const before = own[next - 1]
  const after = own[next]
  if (before?.[1] === offset) {
    before[1] = offset + 1
    if (after?.[0] === offset + 1) {
      before[1] = after[1]
      own.splice(next, 1)
    }
  } else if (after?.[0] === offset + 1) after[0] = offset
  else own.splice(next, 0, [offset, offset + 1])
}

const tooLarge = (bytes: number) => ({
  code: 'EVENT_TOO_LARGE' as const,
  message: `only its beginning was kept: the record had ${bytes} bytes, an event has at most ${EVENT_BYTES_MAX}`,
})

const fenced = (cause: unknown) =>
  new StorageError(
    'FENCED',
    'another process has begun to replay dead letters, too',
    'Run it again when that one has ended: each is put in once.',
    cause,
  )

const unknown = ([partition, offset]: Place) =>
  new EngineError('DEAD_LETTER_UNKNOWN', `there is no dead letter ${partition}:${offset}`, '`packmill dlq list` shows which there are.')
