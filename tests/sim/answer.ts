// What holds at the end of a run, when everything was processed and written: the stores are the evaluator's answer, and the state is that of
// a run in which nothing went wrong.
import assert from 'node:assert/strict'
import type { Receipt } from '../../engine/lane/receipt.ts'
import { sessionStage } from '../../engine/lane/session-computer.ts'
import type { BlockRange } from '../../engine/log/contract.ts'
import { S, SESSION_FLAG } from '../../engine/state/keyed-state.ts'
import type { CheckpointHeader, StateStore } from '../../engine/state/store.ts'
import { UserCodec } from '../../engine/state/user-codec.ts'
import { HASH_SLACK } from '../../model/hash.ts'
import { TOPICS } from '../../model/rows.ts'
import { openCheckpointStore } from '../../stores/state/checkpoint-store.ts'
import { MemoryStore } from '../../streams/memory-store.ts'
import { compareIncidents, compareSessions } from '../oracle/compare.ts'
import { compareTiles } from '../oracle/tiles.ts'
import { expected, placeOf } from './expected.ts'
import type { SimBroker } from './kafka/sim-broker.ts'
import { changelogOf } from './kafka/sim-kafka-state.ts'
import { partsOf } from './observed-stage.ts'
import { Poison } from './poison.ts'
import type { SeedSettings } from './seed-settings.ts'
import { SimFiles } from './sim-files.ts'
import { TASKS_NAME } from './sim-lane.ts'
import type { TableRow } from './sim-table.ts'
import { holds } from './violation.ts'
import type { World } from './world.ts'

interface Row {
  org_id: string
  product_id: string
  user_id: string
  version: number
  deleted: number
  session_id?: string
  incident_id?: string
}

/** Throws a Violation. */
export async function checkAnswer(world: World, { window, node, toSend }: SeedSettings): Promise<void> {
  const { counts } = world.observed
  const receipts = toSend.map((_, partition): Receipt[] => world.observed.of(TASKS_NAME(partition)))
  const tables = new Map([...world.tables.keys()].map((topic) => [topic, toSend.map((_, partition) => tableOf(world, topic, partition))]))
  const rowsOf = <T = object>(topic: string): T[] => tables.get(topic)!.flatMap((rows) => rows.map(({ record }) => JSON.parse(record) as T))
  const histories = receipts.map((own, partition) => ({
    receipts: own,
    records: tables.get(TOPICS.raw)![partition],
  }))
  for (const [partition, { records }] of histories.entries()) {
    counts.rowsSentAgain += records.length - toSend[partition].length
    holds('nothing-lost', () =>
      assert.deepEqual(
        new Set(records.map(({ record }) => record)),
        new Set(toSend[partition]),
        `what was sent to partition ${partition} is what is there`,
      ),
    )
  }
  counts.idleAdvances += receipts.flat().filter(({ inputs, from, to }) => inputs.now !== undefined && inputs.atEnd && from === to).length
  const forgotten = new Set(receipts.flat().flatMap((receipt) => receipt.forgotten.map((key) => key.join(' '))))
  const [sessionRows, incidentRows] = [TOPICS.sessions, TOPICS.incidents].map((topic) => {
    const rows = asIfNotForgotten(rowsOf<Row>(topic), forgotten)
    holds('order-without-gaps', () => checkOrder(topic, rows))
    return rows
  })
  holds('only-poison-is-dropped', () => {
    const timersFail = new Set(toSend.flat().map(Poison.timersOf))
    for (const { code, record } of rowsOf<{ code: string; record: string }>(TOPICS.deadLetters)) {
      if (code === 'PROCESS_KILLED') counts.rowsKilled++
      if (code === 'KEY_FORGOTTEN') {
        counts.keysForgotten++
        const { orgId, productId, user } = JSON.parse(record) as Record<string, string>
        assert.ok(timersFail.has(`${orgId} ${productId} ${user}`), `forgotten without a reason: ${record}`)
      }
      if (code !== 'OPERATOR_THREW') continue
      counts.deadLetters++
      assert.ok(Poison.isPoisoned(record), `a dead letter that is no poison: ${record}`)
    }
  })
  holds('the-answer', () => {
    const answer = expected(histories, window)
    // Open sessions are as they were when they were last asked for: an idle actor's timers may have added incidents since.
    const asked = histories.map(({ records, receipts: own }) => ({
      records,
      receipts: own.slice(0, own.findLastIndex(({ inputs }) => inputs.snapshots) + 1),
    }))
    const whenAsked = expected(asked, window).sessions
    const sessions = new Map([...answer.sessions].map(([id, row]) => [id, row.closed ? row : (whenAsked.get(id) ?? row)]))
    assert.deepEqual(compareSessions(sessionRows, sessions, { allVersions: true }), [])
    assert.deepEqual(compareIncidents(incidentRows, answer.incidents, { allVersions: true }), [])
    assert.deepEqual(compareTiles(rowsOf(TOPICS.tiles), answer), [])
    const late = rowsOf<{ offset: number; partition: number; reason: string }>(TOPICS.late).map(
      (row) => `${row.partition} ${row.offset} ${row.reason}`,
    )
    assert.deepEqual(late.sort(), answer.late.map((row) => `${row.partition} ${row.offset} ${row.reason}`).sort())
    assert.equal(rowsOf(TOPICS.deadLetters).length, answer.invalid + answer.dead + answer.keysForgotten, 'dead letters')
    const sum = { accepted: 0, open: 0, closed: 0, duplicates: 0, late: 0, deadLettered: 0 }
    for (const org of answer.counters.values()) {
      for (const name of ['accepted', 'open', 'closed', 'duplicates', 'late'] as const) sum[name] += org[name]
      sum.late += org.capLate
    }
    sum.accepted += answer.dead
    sum.deadLettered += answer.dead + answer.forgotten
    const counted = { accepted: 0, open: 0, closed: 0, duplicates: 0, late: 0, deadLettered: 0 }
    for (const own of receipts)
      for (const name of Object.keys(counted) as (keyof typeof counted)[]) counted[name] += own.at(-1)?.counters[name] ?? 0
    assert.deepEqual(counted, sum, 'the counters of the last receipts')
  })
  for (const [partition, own] of receipts.entries()) {
    if (own.length === 0) continue
    const rows = tables.get(TOPICS.raw)![partition]
    const without = await stateWithoutFaults(node, partition, rows, own)
    const states = [await stateOf(world, partition, node)]
    if (world.broker) states.push(await changelogState(world.broker, partition, node))
    for (const state of states) {
      counts.staleSessions += [...state.values()].reduce((sum, { stale }) => sum + stale, 0)
      holds('same-state-without-faults', () => {
        assert.deepEqual([...state.keys()].sort(), [...without.keys()].sort(), `keys of partition ${partition}`)
        for (const [key, value] of without)
          assert.ok(isSame(state.get(key)!, value), `the value of ${JSON.stringify(key)} of partition ${partition}`)
      })
    }
  }
}

/** Each record once: embedded from 0 on without a hole, on Kafka those that were committed. */
function tableOf(world: World, topic: string, partition: number): TableRow[] {
  const rows = world.tables
    .get(topic)!
    .rows.filter((row) => row.partition === partition)
    .sort((a, b) => a.offset - b.offset)
  const committed = world.broker?.partition(topic, partition).committed()
  holds('each-row-once', () => {
    if (committed)
      return assert.deepEqual(
        rows.map(({ offset, record }) => ({ offset, value: record })),
        committed,
        `the table of ${topic} has each committed record of partition ${partition} once`,
      )
    for (const [at, { offset }] of rows.entries())
      assert.equal(offset, at, `the table of ${topic} has each offset of partition ${partition} once`)
  })
  return rows
}

/** The ids of a user that was forgotten, should its events be sent again, begin with version 1 again: here they go on. */
function asIfNotForgotten(rows: readonly Row[], forgotten: ReadonlySet<string>): readonly Row[] {
  const lasts = new Map<string, { row: Row; before: number }>()
  return rows.map((row) => {
    const id = (row.incident_id ?? row.session_id) as string
    const last = lasts.get(id)
    let before = last?.before ?? 0
    const begins = last && row.version === 1 && last.row.deleted === 1
    if (begins && forgotten.has(`${row.org_id} ${row.product_id} ${row.user_id}`)) before += last.row.version
    lasts.set(id, { row, before })
    return { ...row, version: before + row.version }
  })
}

function checkOrder(topic: string, rows: readonly Row[]): void {
  const versions = new Map<string, number>()
  for (const { incident_id, session_id, version } of rows) {
    const id = (incident_id ?? session_id) as string
    assert.equal(version, (versions.get(id) ?? 0) + 1, `the version of ${id} that leaves next on ${topic}`)
    versions.set(id, version)
  }
}

/** By key; what symbols there were, and how they were numbered, is no part of a state. */
type State = Map<string, Value>
interface Value {
  whole: string
  /** Without what is made anew of sessions that were stored under another layout, and their number. */
  rough: string
  stale: number
}
const isSame = (one: Value, other: Value) => (one.stale > 0 ? one.rough === other.rough : one.whole === other.whole)

function entriesOf(store: Pick<StateStore, 'header' | 'entries' | 'get'>, node: SeedSettings['node']): State {
  const entries: State = new Map()
  for (const [key, index] of store.entries()) {
    const value = store.get(key)!
    const own = Buffer.from(index).toString('hex')
    const state = value.length > 0 ? canonical(value, node, store.header?.layouts) : { whole: '', rough: '', stale: 0 }
    entries.set(`${Buffer.from(key)}`, { ...state, whole: `${own} ${state.whole}`, rough: `${own} ${state.rough}` })
  }
  return entries
}

/** Of an encoded value, before its first session. */
const HEAD_BYTES = 12

const byId = (one: { id: string }, other: { id: string }) => (one.id < other.id ? -1 : 1)

/** Read and written again by a computer that has seen nothing else. */
function canonical(value: Uint8Array, { topology }: SeedSettings['node'], layouts: unknown): Value {
  const { epochs } = partsOf(sessionStage(topology).computer({ lineage: 'sim', code: 'sim', partition: 0 }, new MemoryStore()))
  const { state } = epochs
  const { symbols, index } = epochs.actor('org', 'product')
  const user = state.users.addKey(index, Buffer.from('u:1'))
  const codec = new UserCodec(state, layouts)
  codec.decode(user, new Uint8Array(value), symbols)
  const sessions = state.listSessions(user, [])
  // Found by id only: their order is that in which they were found, which a fold from the start may change.
  for (const session of sessions) {
    const side = state.sessions.side[session]
    if (side) state.sessions.setSide(session, { incidents: side.incidents.toSorted(byId), gone: side.gone.toSorted(byId) })
  }
  const bytes = Buffer.from(codec.encode(sessions, symbols))
  // A text is copied in whole words: what is behind its end is whatever lay there.
  let at = HEAD_BYTES
  let stale = 0
  const rough: string[] = []
  // The number of its layout.
  bytes[1] = bytes[2] = bytes[3] = 0
  for (const session of sessions) {
    const begin = at
    const length = state.word(session, S.CONTENT_LENGTH)
    at += state.sessions.words * 4
    bytes.fill(0, at + length, at + ((length + 3) & ~3))
    at += ((length + 3) & ~3) + state.word(session, S.COUNT) * state.kept.dataWords * 4
    const own = Buffer.from(bytes.subarray(begin, at))
    own.fill(0, S.WORDS * 4, state.sessions.words * 4)
    if (state.flags(session) & SESSION_FLAG.STALE) stale++
    own.writeUInt32LE(state.flags(session) & ~(SESSION_FLAG.STALE | SESSION_FLAG.TOUCHED), S.FLAGS * 4)
    rough.push(own.toString('hex'), JSON.stringify(state.sessions.side[session] ?? null))
  }
  return { whole: bytes.toString('hex'), rough: rough.join(' '), stale }
}

/** As the last checkpoint left it in the changelog, which a machine without a cache begins with. */
async function changelogState(broker: SimBroker, partition: number, node: SeedSettings['node']): Promise<State> {
  const { entries, header } = await changelogOf(broker, TASKS_NAME(partition))
  const keys = [...entries].map(([key, { index }]): [Buffer, Buffer] => [Buffer.from(key), index])
  return entriesOf({ header, entries: () => keys, get: (key) => entries.get(`${Buffer.from(key)}`)?.value }, node)
}

/** As the last checkpoint left it on the disk. */
async function stateOf(world: World, partition: number, node: SeedSettings['node']): Promise<State> {
  const files = new SimFiles(world.stateDisk)
  const store = await openCheckpointStore({ files, folder: `/state/${partition}` })
  // Of a cache of a changelog the task's own header is within its own.
  const { of } = store.header as { of?: { header: CheckpointHeader } }
  return entriesOf({ header: of?.header ?? store.header, entries: () => store.entries(), get: (key) => store.get(key) }, node)
}

/** The same epochs in one go, in memory. */
async function stateWithoutFaults(
  node: SeedSettings['node'],
  partition: number,
  rows: readonly TableRow[],
  receipts: readonly Receipt[],
): Promise<State> {
  const store = new MemoryStore()
  const stage = sessionStage(node.topology)
  const computer = stage.computer({ lineage: 'sim', code: node.code, partition }, store)
  for (const { epoch, from, to, inputs, dead, forgotten } of receipts) {
    const own = rows
      .slice(placeOf(rows, from), placeOf(rows, to))
      .map(({ offset, record }) => ({ offset, line: Buffer.from(`${record}\n`) }))
    const bytes = Buffer.concat([...own.map(({ line }) => line), Buffer.alloc(HASH_SLACK)])
    const blocks: BlockRange[] = []
    let pos = 0
    for (const { offset, line } of own) {
      const last = blocks.at(-1)
      if (last && last.baseOffset + last.count === offset) Object.assign(last, { count: last.count + 1, length: last.length + line.length })
      else blocks.push({ baseOffset: offset, count: 1, pos, length: line.length })
      pos += line.length
    }
    computer.load({ bytes, blocks, next: to }, from, to)
    computer.compute(epoch, from, to, inputs, { dead: new Set(dead), forgotten })
  }
  computer.checkpoints.begin({ epoch: receipts.at(-1)!.epoch })
  while (!(await computer.checkpoints.slice(1 << 30)));
  await computer.checkpoints.finish()
  return entriesOf(store, node)
}
