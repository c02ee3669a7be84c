// Versions: what of a session leaves, as which version of which id, and what is retracted.
//
// Publisher owns versions: everything that leaves goes through it. What is emitted is the set {id → content} of the folds; a changed
// content is the next version, an id that is no longer in the set is retracted (docs/events.md).
// 1. All outputs of a user are written together, between beginKey and endKey, so that the receipt can hash them per key (protocol 6).
// 2. A record is written into the topic's buffer at once and taken back where its content is that of the version before.
// 3. Fields are written by fixed lists (protocol 2): those below, and the columns of the session fold's first row.
// 4. Of what was emitted for an open session its times, its count and a hash of the whole are kept: nothing else asks for a snapshot's
//    content, and of a million open sessions it was most of the state. Of a closed one all is kept: its tiles are taken away by it.
import { columnsWriter } from '../../model/columns-writer.ts'
import { RECORD_BYTES_MAX } from '../../model/event.ts'
import { h128, hash128View } from '../../model/hash.ts'
import { JsonWriter, type Piece, piece } from '../../model/json-writer.ts'
import type { SessionFold, Sym } from '../../operators/contract.ts'
import { CHUNK_EVENTS } from '../state/kept.ts'
import { type KeyedState, type Published, S, SESSION_FLAG, type SessionSide, type WindowSettings } from '../state/keyed-state.ts'
import { USER } from '../state/users.ts'
import type { SessionPipeline } from '../topology/topology.ts'
import type { Actor } from './actor.ts'
import type { TopicOutput } from './outputs.ts'
import type { TileSums } from './tile-sums.ts'
import type { Draft, Orphan, Turn } from './turn.ts'

export const EVIDENCE_MAX = 64
/** For so many drafts their incidents are looked for one by one: sooner than a table of all incidents is made. */
const FEW = 8
const NONE: SessionSide = { incidents: [], gone: [] }
const CLOSING_BRACE = 0x7d
/** What the content of an open session begins with. */
const OPEN_SESSION = '"closed":0'
/** Where hash128View leaves a hash, as bytes. */
const HASH = new Uint8Array(h128.buffer)
const HASH_BYTES = 16

const SESSION_ID = piece(',"session_id":"')
const INCIDENT_ID = piece(',"incident_id":"')
const VERSION = piece('","version":')
const DELETED = piece(',"deleted":')
const REPLACED_BY = piece(',"replaced_by":"')
const SESSION_CONTENT = piece('",')
const CLOSED = piece('"closed":')
const CUT = piece(',"cut":')
const STARTED_AT = piece(',"started_at":')
const ENDED_AT = piece(',"ended_at":')
const DURATION = piece(',"duration_ms":')
const EVENT_COUNT = piece(',"event_count":')
const OF_SESSION = piece('"session_id":"')
const KIND = piece('","kind":')
const PROFILE = piece(',"profile":')
const OPEN = piece(',"open":')
const SCREEN = piece(',"screen":')
const ELEMENT = piece(',"element":')
const COUNT = piece(',"count":')
const FIRST_AT = piece(',"first_at":')
const LAST_AT = piece(',"last_at":')
const EVIDENCE = piece(',"evidence":[')
const RECEIVED_AT = piece(',"received_at":')

export class Publisher {
  private readonly state: KeyedState
  private readonly settings: WindowSettings
  private readonly sessionFold: SessionFold<object>
  private readonly sessionsOut: TopicOutput
  private readonly incidentsOut: TopicOutput
  private readonly tiles: TileSums
  private readonly evidenceHead: Piece
  /** What ids are hashes of. */
  private readonly scratch = new JsonWriter()
  private writeColumns: ((out: JsonWriter, row: object) => void) | undefined
  private actor!: Actor
  private incidents: SessionSide['incidents'] = []

  constructor(
    state: KeyedState,
    { window, sessionFold }: Pick<SessionPipeline, 'window' | 'sessionFold'>,
    sessionsOut: TopicOutput,
    incidentsOut: TopicOutput,
    tiles: TileSums,
    partition: number,
  ) {
    this.state = state
    this.settings = window
    this.sessionFold = sessionFold
    this.sessionsOut = sessionsOut
    this.incidentsOut = incidentsOut
    this.tiles = tiles
    this.evidenceHead = piece(`[${partition},`)
  }

  beginKey(): void {
    this.sessionsOut.beginKey()
    this.incidentsOut.beginKey()
  }

  endKey(): void {
    this.sessionsOut.endKey()
    this.incidentsOut.endKey()
  }

  /** What is due of one session: its new incidents `own`; itself if it closed, is corrected, asked for or has moved on. Takes from `orphans` what it adopts. */
  session(turn: Turn, user: number, session: number, snapshots: boolean, own: readonly Draft[], orphans: Map<string, Orphan>): void {
    const { state, settings } = this
    const { snapshotMs } = settings
    const flags = state.flags(session)
    const first = state.time(session, S.FIRST)
    const last = state.time(session, S.LAST)
    const snapshot = state.time(session, S.SNAPSHOT)
    const whole =
      (flags & (SESSION_FLAG.CLOSED | SESSION_FLAG.CORRECTS)) !== 0 ||
      snapshots ||
      (snapshotMs > 0 && last >= Math.max(snapshot, first) + snapshotMs)
    if (!whole && own.length === 0) return
    state.touchSession(session)
    const { actor } = turn
    const { u32, f64, words } = state.sessions
    const at = session * words
    // The first event of a session that was published is still its first, or it would have been built anew.
    if (u32[at + S.VERSION] === 0) {
      this.idOfSession(actor, user, state.kept.at(u32[at + S.HEAD], 0))
      for (let i = 0; i < 4; i++) u32[at + S.ID + i] = h128[i]
    }
    const received = state.time(session, S.RECEIVED)
    const side = state.sessions.side[session] ?? NONE
    if (own.length > 0) state.sessions.setSide(session, this.ownIncidents(turn, user, session, received, own, side, orphans))
    if (!whole) return
    this.ownSession(turn, user, session, received, orphans)
    f64[(at >> 1) + S.SNAPSHOT] = last
    u32[at + S.FLAGS] &= ~SESSION_FLAG.CORRECTS
  }

  /** Writes that what a user had published is no more, and remembers its versions in case it comes back. Ordered by content: which session
   *  gave it up first depends on how the turn ran. */
  retract(turn: Turn, user: number, orphans: Iterable<Orphan>): void {
    const sorted = [...orphans].sort((a, b) => compareText(a.id, b.id))
    if (sorted.length > 0)
      this.remember(
        user,
        sorted.map((orphan) => this.retracted(turn, orphan)),
      )
  }

  private retracted(turn: Turn, { kind, user, id, version: before, content }: Orphan): Published {
    const version = kind === 'gone' ? before : before + 1
    const firstMs = Number(kind === 'gone' ? content : /"(?:started|first)_at":(\d+)/.exec(content)?.[1])
    if (kind !== 'gone') {
      const out = kind === 'session' ? this.sessionsOut : this.incidentsOut
      this.tiles.take(turn, content)
      this.begin(out, turn.actor, user)
      out.latin1(id)
      this.version(out, version, 1, kind === 'session' ? this.holderOf(turn.actor, user, id, firstMs) : '')
      if (content.startsWith(OPEN_SESSION)) {
        out.latin1(content.slice(0, -HASH_BYTES))
        this.incidents = NONE.incidents
        this.sessionFold.begin()
        this.columns(out, this.sessionFold.row(this.textOf, this.countOf))
      } else out.latin1(content)
      this.end(out, 0)
    }
    return { id, version, content: `${firstMs}` }
  }

  private ownSession(turn: Turn, user: number, session: number, received: number, orphans: Map<string, Orphan>): void {
    const { state } = this
    const { actor } = turn
    const out = this.sessionsOut
    this.actor = actor
    state.cursor.symbols = actor.symbols
    this.incidents = state.sessions.side[session]?.incidents ?? NONE.incidents
    const metrics = this.foldSession(session)
    const flags = state.flags(session)
    const first = state.time(session, S.FIRST)
    const last = state.time(session, S.LAST)
    const { u32, words } = state.sessions
    const at = session * words
    const orphan = this.adopted(session, orphans)
    const before = orphan?.version ?? u32[at + S.VERSION]
    const start = out.end
    this.begin(out, actor, user)
    this.writeId(out, session)
    this.version(out, before + 1, 0, '')
    const from = out.end
    out.raw(CLOSED)
    out.number(flags & SESSION_FLAG.CLOSED ? 1 : 0)
    out.raw(CUT)
    out.number(flags & SESSION_FLAG.CUT ? 1 : 0)
    out.raw(STARTED_AT)
    out.number(first)
    out.raw(ENDED_AT)
    out.number(last)
    out.raw(DURATION)
    out.number(last - first)
    out.raw(EVENT_COUNT)
    out.number(state.word(session, S.COUNT))
    const headEnd = out.end
    this.columns(out, metrics)
    if (out.end - start > RECORD_BYTES_MAX)
      throw new RangeError(`its session takes ${out.end - start} bytes, ${RECORD_BYTES_MAX} are the most`)
    const kept = flags & SESSION_FLAG.CLOSED ? out : this.shortened(from, headEnd)
    const keptFrom = kept === out ? from : 0
    const length = kept.end - keptFrom
    const same = orphan
      ? orphan.content === kept.buffer.toString('latin1', keptFrom, kept.end)
      : this.isContent(session, kept.view, keptFrom, length)
    if (!same) {
      // A closed session changes by a fold from its start only, for which it was given up: what is replaced in place was open.
      this.tiles.take(turn, orphan?.content)
      const times = { started_at: first, ended_at: last, event_count: state.word(session, S.COUNT) }
      if (flags & SESSION_FLAG.CLOSED) this.tiles.count(turn, Object.assign(metrics, times), 1)
    }
    if (!same || orphan) {
      state.unpublish(session)
      u32[at + S.VERSION] = same ? before : before + 1
      u32[at + S.CONTENT] = state.texts.put(kept.view, keptFrom, length, true)
      u32[at + S.CONTENT_LENGTH] = length
    }
    if (same) out.end = start
    else this.end(out, received)
  }

  private columns(out: JsonWriter, row: object): void {
    const writeColumns = (this.writeColumns ??= columnsWriter(row))
    writeColumns(out, row)
  }

  /** What is kept of the content just written, which begins at `from`: its bytes up to headEnd, and the hash of all of it. */
  private shortened(from: number, headEnd: number): JsonWriter {
    const { sessionsOut: out, scratch } = this
    scratch.end = 0
    scratch.slice(out.buffer, from, headEnd - from)
    hash128View(out.view, from, out.end - from)
    scratch.slice(HASH, 0, HASH_BYTES)
    return scratch
  }

  private foldSession(session: number): object {
    const { sessionFold } = this
    const { cursor } = this.state
    const count = this.state.word(session, S.COUNT)
    sessionFold.begin()
    cursor.begin(this.state.word(session, S.HEAD), 0)
    for (let i = 0; i < count; i++) {
      cursor.next()
      sessionFold.onEvent(cursor)
    }
    return sessionFold.row(this.textOf, this.countOf)
  }

  /** What a session that was not published adopts: what was published by its id. */
  private adopted(session: number, orphans: Map<string, Orphan>): Orphan | undefined {
    if (orphans.size === 0) return undefined
    this.scratch.end = 0
    this.writeId(this.scratch, session)
    const id = this.scratch.buffer.toString('latin1', 0, this.scratch.end)
    const orphan = this.state.word(session, S.VERSION) === 0 ? orphans.get(id) : undefined
    orphans.delete(id)
    return orphan
  }

  private isContent(session: number, view: DataView, from: number, length: number): boolean {
    const { state } = this
    if (state.word(session, S.VERSION) === 0 || state.word(session, S.CONTENT_LENGTH) !== length) return false
    return state.texts.same(state.word(session, S.CONTENT), length, view, from)
  }

  private writeId(out: JsonWriter, session: number): void {
    const { u32, words } = this.state.sessions
    for (let i = 0; i < 4; i++) out.hex(u32[session * words + S.ID + i])
  }

  private ownIncidents(
    turn: Turn,
    user: number,
    session: number,
    received: number,
    own: readonly Draft[],
    side: SessionSide,
    orphans: Map<string, Orphan>,
  ): SessionSide {
    const { actor } = turn
    const { kept } = this.state
    const out = this.incidentsOut
    const drafts = lastOfEach(own)
    const incidents = [...side.incidents]
    const added: typeof incidents = []
    const places = drafts.length > FEW ? new Map(incidents.map(({ id }, at) => [id, at])) : undefined
    const gone = side.gone.length > 0 ? byId(side.gone) : undefined
    let chunk = this.state.word(session, S.HEAD)
    let passed = 0
    for (const draft of drafts) {
      chunk = kept.chunkOf(chunk, draft.first - passed)
      passed = draft.first - (draft.first % CHUNK_EVENTS)
      const id = this.idOfIncident(actor, user, chunk, draft)
      const at = places ? (places.get(id) ?? -1) : incidents.findIndex((incident) => incident.id === id)
      // A timer may bring back what was retracted, without a fold from the start: it goes on counting, too.
      const before = at < 0 ? (orphans.get(id) ?? gone?.get(id)) : incidents[at]
      orphans.delete(id)
      const start = out.end
      let version = (before?.version ?? 0) + 1
      this.begin(out, actor, user)
      out.latin1(id)
      this.version(out, version, 0, '')
      const from = out.end
      this.writeIncident(actor, session, chunk, draft)
      const content = out.buffer.toString('latin1', from, out.end)
      if (before !== undefined && before.content === content) {
        out.end = start
        version = before.version
      } else {
        this.end(out, received)
        this.tiles.take(turn, before?.content)
        const texts = { screen: actor.symbols.text(draft.screen), element: actor.symbols.text(draft.element) }
        this.tiles.count(turn, { ...draft, ...texts, first_at: draft.firstMs, last_at: draft.lastMs }, 1)
      }
      const published = { id, version, content, kind: draft.kind }
      if (at < 0) added.push(published)
      else incidents[at] = published
      gone?.delete(id)
    }
    return { incidents: incidents.concat(added), gone: gone ? [...gone.values()] : side.gone }
  }

  /** `chunk` is that of the draft's first event. */
  private writeIncident(actor: Actor, session: number, chunk: number, draft: Draft): void {
    const { kept } = this.state
    const out = this.incidentsOut
    out.raw(OF_SESSION)
    this.writeId(out, session)
    out.raw(KIND)
    out.string(draft.kind)
    out.raw(PROFILE)
    out.string(draft.profile)
    out.raw(OPEN)
    out.number(draft.open ? 1 : 0)
    out.raw(SCREEN)
    out.string(actor.symbols.text(draft.screen))
    out.raw(ELEMENT)
    out.string(actor.symbols.text(draft.element))
    out.raw(COUNT)
    out.number(draft.count)
    out.raw(FIRST_AT)
    out.number(draft.firstMs)
    out.raw(LAST_AT)
    out.number(draft.lastMs)
    out.raw(EVIDENCE)
    const code = TYPE_CODES[draft.of]
    const needScreen = draft.of === 'screen_view' ? kept.words.screen : undefined
    for (let i = draft.first, written = 0; i <= draft.last && written < EVIDENCE_MAX; i++) {
      const slot = i % CHUNK_EVENTS
      if (slot === 0 && i > draft.first) chunk = kept.next(chunk)
      const at = kept.at(chunk, slot)
      if (kept.typeCode(at) !== code || (needScreen !== undefined && kept.arena.u32[at + needScreen] === 0)) continue
      if (written++ > 0) out.byte(0x2c)
      out.raw(this.evidenceHead)
      out.number(kept.offset(at))
      out.byte(0x5d)
    }
    out.byte(0x5d)
  }

  /** Everything of a record before its id. */
  private begin(out: TopicOutput, actor: Actor, user: number): void {
    const { users } = this.state
    const at = user * users.arena.words
    out.raw(actor.head)
    out.utf8(users.keys, users.arena.u32[at + USER.KEY_POS], users.arena.u32[at + USER.KEY_LENGTH])
    out.raw(out === this.sessionsOut ? SESSION_ID : INCIDENT_ID)
  }

  /** Everything between its id and its content. */
  private version(out: TopicOutput, version: number, deleted: 0 | 1, replacedBy: string): void {
    out.raw(VERSION)
    out.number(version)
    out.raw(DELETED)
    out.number(deleted)
    if (out === this.sessionsOut) {
      out.raw(REPLACED_BY)
      out.latin1(replacedBy)
      out.raw(SESSION_CONTENT)
    } else out.byte(0x2c)
  }

  /** Everything behind it. */
  private end(out: TopicOutput, received: number): void {
    out.raw(RECEIVED_AT)
    out.number(received)
    out.byte(CLOSING_BRACE)
    out.endRecord()
  }

  /** Leaves the version of each retracted id with the session that has the event which it began with. */
  private remember(user: number, gone: readonly Published[]): void {
    const { state } = this
    for (let session = state.newest(user); session !== 0; session = state.older(session)) {
      const own = gone.filter(({ content }) => state.time(session, S.FIRST) <= +content && +content <= state.time(session, S.LAST))
      if (own.length === 0) continue
      state.sessions.touch(session)
      const side = state.sessions.side[session] ?? NONE
      state.sessions.setSide(session, { ...side, gone: [...byId([...side.gone, ...own]).values()] })
    }
  }

  /** Id of the session that holds the event which a former session of this id began with, '' for none. */
  private holderOf(actor: Actor, user: number, formerId: string, firstMs: number): string {
    const { state } = this
    const { kept } = state
    for (let session = state.newest(user); session !== 0; session = state.older(session)) {
      if (firstMs < state.time(session, S.FIRST) || firstMs > state.time(session, S.LAST)) continue
      const places: number[] = []
      kept.places(state.word(session, S.HEAD), state.word(session, S.COUNT), places)
      for (const place of places)
        if (kept.time(place) === firstMs && this.idAt(actor, user, place) === formerId) return this.idAt(actor, user, places[0])
    }
    return ''
  }

  /** hash(org, product, user, ts and id of the first event), left in h128. */
  private idOfSession(actor: Actor, user: number, first: number): void {
    this.beginId(actor, user)
    this.endId(first)
  }

  private idAt(actor: Actor, user: number, first: number): string {
    this.idOfSession(actor, user, first)
    return this.hexOfHash()
  }

  private idOfIncident(actor: Actor, user: number, chunk: number, draft: Draft): string {
    this.beginId(actor, user)
    const { scratch } = this
    scratch.plain(draft.kind)
    scratch.byte(0)
    scratch.plain(draft.profile)
    scratch.byte(0)
    this.endId(this.state.kept.at(chunk, draft.first % CHUNK_EVENTS))
    return this.hexOfHash()
  }

  private beginId(actor: Actor, user: number): void {
    const { scratch } = this
    const { arena, keys } = this.state.users
    const at = user * arena.words
    scratch.end = 0
    scratch.slice(actor.prefix, 0, actor.prefix.length)
    scratch.slice(keys, arena.u32[at + USER.KEY_POS], arena.u32[at + USER.KEY_LENGTH])
    scratch.byte(0)
  }

  private endId(first: number): void {
    const { scratch } = this
    const { kept } = this.state
    scratch.number(kept.time(first))
    scratch.byte(0)
    for (let i = 0; i < 4; i++) scratch.hex(kept.idWord(first, i))
    hash128View(scratch.view, 0, scratch.end)
  }

  private hexOfHash(): string {
    const { scratch } = this
    scratch.end = 0
    for (let i = 0; i < 4; i++) scratch.hex(h128[i])
    return scratch.buffer.toString('latin1', 0, scratch.end)
  }

  private readonly textOf = (symbol: Sym): string => this.actor.symbols.text(symbol)

  private readonly countOf = (kind: string): number => {
    let count = 0
    for (const incident of this.incidents) if (incident.kind === kind) count++
    return count
  }
}

const TYPE_CODES: Record<string, number> = { screen_view: 0, task_started: 1, click: 2, custom: 3, error: 4, task_completed: 5 }

/** The last draft of each (kind, profile, first), ordered by these: a turn that runs row by row emits in another order, and must write the same. */
function lastOfEach(drafts: readonly Draft[]): readonly Draft[] {
  if (drafts.length === 1) return drafts
  // Those that are equal in these stay in the order in which they were emitted.
  return drafts.toSorted(compareDrafts).filter((draft, i, sorted) => i + 1 === sorted.length || compareDrafts(draft, sorted[i + 1]) !== 0)
}

const byId = (list: readonly Published[]) => new Map(list.map((one) => [one.id, one]))
const compareDrafts = (a: Draft, b: Draft) => a.first - b.first || compareText(a.kind, b.kind) || compareText(a.profile, b.profile)
const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
