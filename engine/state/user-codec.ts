// A user's sessions as bytes and back: what a checkpoint writes, what eviction leaves and a first touch loads.
//
// Records and kept events are copied as they are; links are rebuilt; symbols travel with their strings, because a symbol
// means nothing outside its actor's table in memory. Words are little-endian (every machine this runs on).
//   [format and layout, sessions, symbols] · per session: record, content, each event · per symbol: symbol, length, bytes · side values
// A side value is 0 for none; or 1, numbers of incidents and of retracted ids, and these: version, texts.
import { hash32 } from '../../model/hash.ts'
import type { Symbols } from '../../model/symbols.ts'
import { grown, WordList } from '../../model/word-list.ts'
import { type WordView, WordViews } from '../../model/word-views.ts'
import { EngineError } from '../errors.ts'
import { shorten } from './arena.ts'
import { CHUNK_EVENTS } from './kept.ts'
import { type KeyedState, type Published, S, SESSION_FLAG, type SessionSide } from './keyed-state.ts'
import { Layouts, STATE_FORMAT } from './layouts.ts'
import { USER } from './users.ts'

const HEAD_WORDS = 3
/** Words of a session's record that mean something in memory only. */
const LINKS: readonly number[] = [S.HEAD, S.TAIL, S.FOLD_CHUNK, S.OLDER, S.USER, S.CONTENT]

export class UserCodec {
  readonly layouts: Layouts
  private readonly state: KeyedState
  private words = new Uint32Array(1 << 14)
  /** The same memory. */
  private bytes = Buffer.from(this.words.buffer)
  private end = 0
  private seen = new Uint8Array(1 << 10)
  private readonly inOrder: number[] = []
  private readonly symbolWords: number[]
  private readonly dataWords: number
  private readonly views = new WordViews()
  private readonly decoded = new WordList()

  /** `layouts`: those of the checkpoint's header, which its values may have. */
  constructor(state: KeyedState, layouts?: unknown) {
    this.state = state
    this.layouts = new Layouts(state, layouts)
    this.dataWords = state.kept.dataWords
    this.symbolWords = state.folds.flatMap(({ layout, base }) => layout.symbolWords.map((word) => base + word))
  }

  /** The sessions (oldest first: records of the session arena) as bytes; valid until the next call. */
  encode(sessions: readonly number[], symbols: Symbols): Uint8Array {
    const { state } = this
    const { kept } = state
    const own = state.sessions
    this.end = HEAD_WORDS
    shorten(this.inOrder, 0)
    for (const session of sessions) {
      const count = state.word(session, S.COUNT)
      const content = state.word(session, S.CONTENT)
      const contentLength = state.word(session, S.CONTENT_LENGTH)
      this.room(own.words + ((contentLength + 3) >> 2) + count * this.dataWords)
      const { words } = this
      const at = this.end
      for (let i = 0, from = session * own.words; i < own.words; i++) words[at + i] = own.u32[from + i]
      for (let i = 0; i < LINKS.length; i++) words[at + LINKS[i]] = 0
      for (let i = 0; i < this.symbolWords.length; i++) this.mark(words[at + this.symbolWords[i]])
      let end = state.texts.copy(content, contentLength, words, at + own.words)
      const { u32 } = kept.arena
      const { symbolWords, eventWords } = kept
      for (let chunk = state.word(session, S.HEAD), left = count; left > 0; left -= CHUNK_EVENTS, chunk = kept.next(chunk)) {
        const first = kept.at(chunk, 0)
        const last = first + Math.min(CHUNK_EVENTS, left) * eventWords
        for (let event = first; event < last; event += eventWords) {
          for (let i = event + 1, to = event + this.dataWords; i <= to; i++) words[end++] = u32[i]
          for (let c = 0; c < symbolWords.length; c++) this.mark(u32[event + symbolWords[c]])
        }
      }
      this.end = end
    }
    for (const symbol of this.inOrder) {
      this.seen[symbol] = 0
      const length = symbols.lengthOf(symbol)
      this.room(2 + ((length + 3) >> 2))
      this.words[this.end++] = symbol
      this.words[this.end++] = length
      symbols.copy(symbol, this.bytes, this.end * 4)
      this.end += (length + 3) >> 2
    }
    for (const session of sessions) this.writeSide(own.side[session])
    this.words[0] = STATE_FORMAT + this.layouts.own * 256
    this.words[1] = sessions.length
    this.words[2] = this.inOrder.length
    return new Uint8Array(this.words.buffer, 0, this.end * 4)
  }

  /** Brings the sessions of `user` back from bytes, outside of any turn's undo. */
  decode(user: number, bytes: Uint8Array, symbols: Symbols): void {
    const { state, decoded } = this
    const { kept } = state
    const own = state.sessions
    const source = this.views.of(bytes)
    const { words, view, first, end } = source
    const number = words[first] >>> 8
    const layout = this.layouts.list[number]
    if ((words[first] & 0xff) !== STATE_FORMAT || layout === undefined)
      throw new EngineError(
        'STATE_CORRUPT',
        `stored state has format ${words[first] & 0xff} and layout ${number}, this version reads ${STATE_FORMAT} and its header lists ${this.layouts.list.length}`,
        'Start with the version that wrote it, or import again into a new folder (--data).',
      )
    decoded.length = 0
    const isOther = number !== this.layouts.own
    const dataWords = isOther ? kept.dataWordsOf(layout.fields) : this.dataWords
    let at = first + HEAD_WORDS
    let older = 0
    for (let n = words[first + 1]; n > 0; n--) {
      if (!(at + layout.sessionWords <= end)) throw cutShort()
      const session = own.take()
      decoded.push(session)
      const base = session * own.words
      for (let i = 0, most = isOther ? S.WORDS : own.words; i < most; i++) own.u32[base + i] = words[at + i]
      if (isOther) own.u32[base + S.FLAGS] |= SESSION_FLAG.TOUCHED | SESSION_FLAG.STALE
      at += layout.sessionWords
      const contentLength = own.u32[base + S.CONTENT_LENGTH]
      const count = own.u32[base + S.COUNT]
      if (!(at + Math.ceil(contentLength / 4) + count * dataWords <= end)) throw cutShort()
      own.u32[base + S.CONTENT] = state.texts.put(view, at * 4, contentLength, false)
      at += (contentLength + 3) >> 2
      const folded = own.u32[base + S.FOLDED]
      own.u32[base + S.USER] = user
      own.u32[base + S.OLDER] = older
      let tail = 0
      for (let i = 0; i < count; i += CHUNK_EVENTS) {
        const chunk = kept.arena.takeDirty()
        if (tail === 0) own.u32[base + S.HEAD] = own.u32[base + S.FOLD_CHUNK] = chunk
        else kept.link(tail, chunk)
        tail = chunk
        const { u32 } = kept.arena
        const from = kept.at(chunk, 0)
        const events = Math.min(CHUNK_EVENTS, count - i)
        for (let event = from, last = from + events * kept.eventWords; event < last; event += kept.eventWords)
          if (isOther) at = kept.readOther(event, words, at, layout.fields)
          else for (let i = event + 1, to = event + this.dataWords; i <= to; i++) u32[i] = words[at++]
        if (folded >= i) own.u32[base + S.FOLD_CHUNK] = chunk
      }
      own.u32[base + S.TAIL] = tail
      older = session
    }
    let moved: Map<number, number> | undefined
    for (let n = words[first + 2]; n > 0; n--) {
      const length = words[at + 1]
      const pos = (at + 2) * 4
      if (!(at + 2 + Math.ceil(length / 4) <= end)) throw cutShort()
      const symbol = symbols.intern(view, pos, length, hash32(source.bytes, pos, length))
      if (symbol !== words[at]) moved = (moved ?? new Map()).set(words[at], symbol)
      at += 2 + ((length + 3) >> 2)
    }
    if (moved) for (let i = 0; i < decoded.length; i++) this.rename(decoded.words[i], moved)
    const sides = new SideReader(source, at)
    for (let i = 0; i < decoded.length; i++) own.setSide(decoded.words[i], sides.side())
    if (sides.at !== end) throw cutShort()
    state.users.arena.u32[user * state.users.arena.words + USER.HEAD] = older
  }

  /** Every symbol that a session's records and kept events refer to. */
  symbolsOf(session: number, into: Set<number>): void {
    this.eachSymbol(session, (buffer, at) => into.add(buffer[at]))
  }

  private rename(session: number, moved: ReadonlyMap<number, number>): void {
    this.eachSymbol(session, (buffer, at) => {
      const to = moved.get(buffer[at])
      if (to !== undefined) buffer[at] = to
    })
  }

  private eachSymbol(session: number, visit: (buffer: Uint32Array, at: number) => void): void {
    const { state } = this
    for (const word of this.symbolWords) visit(state.sessions.u32, session * state.sessions.words + word)
    const places: number[] = []
    state.kept.places(state.word(session, S.HEAD), state.word(session, S.COUNT), places)
    for (const place of places) for (const word of state.kept.symbolWords) visit(state.kept.arena.u32, place + word)
  }

  private writeSide(side: SessionSide | undefined): void {
    this.room(3)
    this.words[this.end++] = side === undefined ? 0 : 1
    if (side === undefined) return
    this.words[this.end++] = side.incidents.length
    this.words[this.end++] = side.gone.length
    for (const incident of side.incidents) {
      this.writePublished(incident)
      this.writeText(incident.kind)
    }
    for (const gone of side.gone) this.writePublished(gone)
  }

  private writePublished({ id, version, content }: Published): void {
    this.room(1)
    this.words[this.end++] = version
    this.writeText(id)
    this.writeText(content)
  }

  /** Of each character the low byte: no text of a side value has more. */
  private writeText(text: string): void {
    this.room(1 + ((text.length + 3) >> 2))
    this.words[this.end++] = text.length
    this.bytes.write(text, this.end * 4, 'latin1')
    this.end += (text.length + 3) >> 2
  }

  private mark(symbol: number): void {
    if (symbol === 0) return
    if (symbol >= this.seen.length) {
      const bigger = new Uint8Array(Math.max(this.seen.length * 2, symbol + 1))
      bigger.set(this.seen)
      this.seen = bigger
    }
    if (this.seen[symbol]) return
    this.seen[symbol] = 1
    this.inOrder.push(symbol)
  }

  private room(need: number): void {
    if (this.end + need <= this.words.length) return
    while (this.end + need > this.words.length) this.words = grown(this.words)
    this.bytes = Buffer.from(this.words.buffer)
  }
}

export const stateCorrupt = (what: string) =>
  new EngineError(
    'STATE_CORRUPT',
    what,
    'Stop, move the state folder away and start again: the state is recomputed from the log if the log still reaches back that far.',
  )
/** The store has verified the bytes' checksum: something else is wrong than the disk. */
const cutShort = () => stateCorrupt('the state of a user is not as long as it says')

/** Reads what writeSide wrote, from word `at` on. */
class SideReader {
  private readonly words: Uint32Array
  private readonly source: WordView
  at: number

  constructor(source: WordView, at: number) {
    this.words = source.words
    this.source = source
    this.at = at
  }

  side(): SessionSide | undefined {
    if (this.words[this.at++] === 0) return undefined
    const counts = [this.words[this.at++], this.words[this.at++]]
    const incidents = Array.from({ length: counts[0] }, () => ({ ...this.published(), kind: this.text() }))
    const gone = Array.from({ length: counts[1] }, () => this.published())
    return { incidents, gone }
  }

  private published(): Published {
    const version = this.words[this.at++]
    const id = this.text()
    return { id, version, content: this.text() }
  }

  private text(): string {
    const length = this.words[this.at++]
    const pos = this.at * 4
    this.at += Math.ceil(length / 4)
    if (!(this.at <= this.source.end)) throw cutShort()
    return this.source.bytes.toString('latin1', pos, pos + length)
  }
}
