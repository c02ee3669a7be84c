// For the sinks' tests: a log and a table in memory, a clock that moves by being slept on, and crashes at any step.
import type { Claim, Log, LogReceipt, ReadResult } from '../log/contract.ts'
import type { Clock } from '../time/clock.ts'
import type { OffsetRange, SealedRows, SinkTarget } from './contract.ts'

/** What a crash in the middle of a step leaves of it. For writes also: rows without their token, a token without its rows, half of the rows. */
export type Effect = 'none' | 'all' | 'rows' | 'token' | 'half'
/** What one write does instead of working. `late`: it is applied, and then fails as if its answer had been lost. `full`: the disk is, after the
 *  token was written and before the rows were. */
export type Fault = 'early' | 'late' | 'half' | 'permanent' | 'full'

const diskFull = () => Object.assign(new Error('No space left.'), { code: 'DISK_FULL', retryable: true })

const never = new Promise<never>(() => {})

export class SinkWorld {
  readonly topic: { baseOffset: number; lines: string[] }[][]
  readonly steps: string[] = []
  readonly writes: { token: string; rows: number; atMs: number; pending: unknown }[] = []
  readonly needs = new Map<number, number>()
  rows: string[] = []
  /** The table forgets a token after this long. */
  windowMs = Infinity
  identity = 'store-1'
  nowMs = 1_000_000
  faults: Fault[] = []
  /** What each of the next writes into the log meets: a full disk, or nothing. */
  logFaults: boolean[] = []
  /** Runs after a write that was applied. */
  onWrite: () => void = () => {}
  logStart = 0
  private readonly tokens = new Map<string, number>()
  /** What a half-applied write has left to do when it is sent again. */
  private readonly halves = new Map<string, readonly string[]>()
  private receipts: LogReceipt[] = []
  private generation = 0
  private wake: (() => void)[] = []
  private crash: { step: number; effect: Effect; done: () => void } | undefined
  private life = 0

  private readonly line: (partition: number, offset: number) => string

  constructor(partitions: number, line: (partition: number, offset: number) => string = (_, offset) => `{"o":${offset}}`) {
    this.line = line
    this.topic = Array.from({ length: partitions }, () => [])
  }

  /** Appends records to a partition as one block, after a hole. */
  append(partition: number, count: number, hole = 0): void {
    const last = this.topic[partition].at(-1)
    const baseOffset = (last ? last.baseOffset + last.lines.length : 0) + hole
    this.topic[partition].push({ baseOffset, lines: Array.from({ length: count }, (_, i) => this.line(partition, baseOffset + i)) })
    this.committed()
  }

  get ends(): number[] {
    return this.topic.map((blocks) => blocks.reduce((_, block) => block.baseOffset + block.lines.length, 0))
  }

  /** Every record of the topic, as the table should hold it. */
  get wanted(): string[] {
    return this.topic
      .flatMap((blocks, p) => blocks.flatMap(({ baseOffset, lines }) => lines.map((_, i) => `${p}:${baseOffset + i}`)))
      .sort()
  }

  get record(): LogReceipt | undefined {
    return this.receipts.at(-1)
  }

  /** The process dies at a step, counted from now, which leaves that much of an effect. Resolves when it happened. */
  crashAt(step: number, effect: Effect): Promise<void> {
    return new Promise((done) => {
      this.crash = { step: this.steps.length + step, effect, done }
    })
  }

  noCrash(): void {
    this.crash = undefined
  }

  /** One step of the world: its effect, all of it or what a crash leaves; after the crash nothing of that process goes on. */
  private async step<T>(life: number, name: string, apply: (effect: Effect) => T): Promise<T> {
    await Promise.resolve()
    if (life !== this.life) return never
    const crash = this.crash?.step === this.steps.length ? this.crash : undefined
    this.steps.push(name)
    if (!crash) return apply('all')
    if (crash.effect !== 'none') apply(crash.effect)
    this.life++
    this.crash = undefined
    crash.done()
    return never
  }

  private committed(): void {
    for (const resolve of this.wake.splice(0)) resolve()
  }

  /** The log as one process sees it. */
  log(): Log {
    const life = this.life
    return {
      claim: async <R extends LogReceipt>() => {
        let isOver = false
        const append = () => {
          if (isOver) throw Object.assign(new Error('fenced'), { code: 'FENCED', retryable: false })
          if (!this.logFaults.shift()) return
          isOver = true
          throw diskFull()
        }
        const generation = await this.step(life, 'claim', () => {
          append()
          return ++this.generation
        })
        const claim: Claim<R> = {
          claimsSinceCommit: 1,
          last: this.record as R | undefined,
          receipts: async function* () {},
          commit: ({ receipt }) =>
            this.step(life, 'commit', () => {
              append()
              if (generation !== this.generation) throw Object.assign(new Error('fenced'), { code: 'FENCED', retryable: false })
              if (receipt) this.receipts.push(structuredClone(receipt))
              this.committed()
            }),
          release: () => this.step(life, 'release', append),
          holds: async () => generation === this.generation,
        }
        return claim
      },
      reader: ({ partition }) => ({
        read: (from, maxBytes) => this.step(life, 'read', () => this.read(partition, from, maxBytes)),
        close: () => {},
      }),
      bounds: async ({ partition }) => ({ start: this.logStart, end: this.ends[partition] }),
      need: (_, { partition }, from) => this.step(life, 'need', () => void this.needs.set(partition, from)),
      changed: () => new Promise((resolve) => this.wake.push(resolve)),
      close: async () => {},
    }
  }

  private read(partition: number, from: number, maxBytes: number): ReadResult {
    const blocks = this.topic[partition].filter(({ baseOffset, lines }) => baseOffset + lines.length > from)
    const result: ReadResult = { bytes: new Uint8Array(), blocks: [], next: from }
    let text = ''
    for (const { baseOffset, lines } of blocks) {
      if (text.length >= maxBytes) break
      const piece = `${lines.join('\n')}\n`
      result.blocks.push({ baseOffset, count: lines.length, pos: text.length, length: piece.length })
      text += piece
      result.next = baseOffset + lines.length
    }
    result.bytes = new TextEncoder().encode(text)
    return result
  }

  /** The table as one process sees it. */
  target(): SinkTarget {
    const life = this.life
    let added: string[] = []
    return {
      identity: this.identity,
      check: async () => {},
      get rows() {
        return added.length
      },
      get bytes() {
        return added.length * 10
      },
      add: (partition, { blocks }, from, to, present) => {
        for (const { baseOffset, count } of blocks) {
          for (let o = baseOffset; o < baseOffset + count; o++) {
            if (o >= from && o < to && !present.some((range) => range.from <= o && o < range.to)) added.push(`${partition}:${o}`)
          }
        }
      },
      seal: (): SealedRows => {
        const rows = added
        added = []
        return {
          rows: rows.length,
          bytes: rows.length * 10,
          write: (token) => this.step(life, 'write', (effect) => this.write(rows, token, effect)),
          discard: () => {},
        }
      },
      present: (partition, from, to) => this.step(life, 'present', () => this.present(partition, from, to)),
    }
  }

  private write(rows: readonly string[], token: string, effect: Effect): void {
    const fault = this.faults.shift()
    this.writes.push({ token, rows: rows.length, atMs: this.nowMs, pending: (this.record as { pending?: unknown }).pending })
    if (fault === 'permanent') throw Object.assign(new Error('no such column'), { retryable: false, advice: 'Put the column back.' })
    const isHalf = effect === 'half' || fault === 'half'
    const isSeen = this.nowMs - (this.tokens.get(token) ?? -Infinity) < this.windowMs
    if (fault === 'full') {
      this.tokens.set(token, this.nowMs)
      throw diskFull()
    }
    if (fault !== 'early' && !isSeen) {
      if (effect !== 'token') this.rows.push(...(isHalf ? rows.slice(0, rows.length / 2) : rows))
      if (effect !== 'rows') this.tokens.set(token, this.nowMs)
      // The blocks of some table partitions are in, with their share of the token (protocol 29).
      if (isHalf) this.halves.set(token, rows.slice(rows.length / 2))
    } else if (fault !== 'early' && this.halves.has(token)) {
      this.rows.push(...this.halves.get(token)!)
      this.halves.delete(token)
    }
    if (fault) throw Object.assign(new Error(`timed out (${fault})`), { code: 'TIMEOUT', retryable: true })
    this.onWrite()
  }

  private present(partition: number, from: number, to: number): OffsetRange[] {
    const offsets = this.rows.filter((row) => row.startsWith(`${partition}:`)).map((row) => Number(row.split(':')[1]))
    return [...new Set(offsets)]
      .filter((o) => o >= from && o < to)
      .sort((a, b) => a - b)
      .map((o) => ({ from: o, to: o + 1 }))
  }

  clock(): Clock {
    return {
      now: () => this.nowMs,
      sleep: async (ms, signal) => {
        await Promise.resolve()
        if (!signal?.aborted) this.nowMs += ms
      },
    }
  }
}
