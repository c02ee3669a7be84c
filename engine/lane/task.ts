// A partition task: owns one partition of one topology. Reads blocks in offset order, computes epochs, commits them, takes checkpoints,
// and recovers by computing again what it had committed (protocol 5–16, 20, 22, 23).
//
// Task owns its claim, its reader and its memory (a computer; computer.ts). The lane owns when: it calls `next`, `commit`, `tend` in turn.
// 1. Epoch n+1 may be computed while n commits; a commit that fails ends the task's memory (protocol 8): the lane recovers it anew.
// 2. A checkpoint is of the epoch last computed, and finished only when that epoch is committed (protocol 9, 11).
// 3. Input and receipts are given up only with a commit after the checkpoint that no longer needs them has finished (protocol 23).
import { EngineError } from '../errors.ts'
import type { BlockRange, Claim, Log, Reader, ReadResult, TopicPartition } from '../log/contract.ts'
import type { StateStore } from '../state/store.ts'
import { type TaskBeat, UNWATCHED } from './beat.ts'
import type { Computer, Epoch, Stage } from './computer.ts'
import { difference, type EpochInputs, type Receipt } from './receipt.ts'

export interface TaskOptions {
  stage: Stage
  lineage: string
  code: string
  partition: number
  epochBytes: number
  checkpointBytes: number
  /** Bounds of this task's share of memory, bytes. */
  cacheBytes: number
  /** false: the binary without exactly-once, for the bench that prices it: the offset (a receipt) is stored now and then, nothing is checkpointed. */
  exactlyOnce: boolean
  /** A person's decision: what a recovery computes otherwise than was published, from this epoch on, stays published (protocol 31). */
  acceptFrom?: number
  /** A checkpoint of whatever came since the last is due; 'now': somebody waits for it, its slices are large. */
  checkpointDue?: 'soon' | 'now'
  /** Refuse to recover what other code has committed. */
  sameCode?: boolean
  /** Where its lane's watcher, and the thread that follows this one, see what it is at. */
  beat?: TaskBeat
}

const ROWS_MAX = 1 << 20
/** About what an epoch takes: a sixteenth of it after the second claim without a commit, and after each further one (protocol 22). */
const HUNT_ROWS = 1 << 16
/** Claims without a commit after which a lone row is taken to be what kills the process: it was alone in two. */
const CLAIMS_MAX = 7
/** Threads that a lone row has ended, of which the watcher knows, after which it is a dead letter. */
const LONE_ENDS_MAX = 2
/** A checkpoint's slice at first: the epochs that come meanwhile wait until it is encoded … */
const SLICE_LEAST_BYTES = 1 << 18
/** … and at most, where the checkpoint has become urgent. */
export const SLICE_BYTES = 1 << 20
/** Users, of which clean ones leave before the cache is full: all at once they would take a tenth of a second. */
const EVICT_LOOKS = 1 << 12
/** Of the bounds at which a checkpoint begins, a little less for each partition: those of the same load do not begin theirs at once, which nobody else's commits would bear. */
const shareOf = (partition: number) => 1 - ((partition * 0.618) % 1) / 5
const NO_BYTES = new Uint8Array(0)
/** How often the offset is stored where nothing is exactly once. */
const OFFSET_EVERY_MS = 10_000

export class PartitionTask {
  readonly partition: number
  private readonly options: TaskOptions
  private readonly log: Log
  private readonly store: StateStore
  private computer!: Computer
  private claim!: Claim<Receipt>
  private reader!: Reader
  /** What a recomputation read last: it covers many epochs where they were short. The reader's buffer, until it reads again. */
  private ahead: ReadResult | undefined
  /** Claims since the last commit that ended with the death of a process, and this one (protocol 22). */
  private claims = 1
  /** It has claimed before and lives: a full disk is no row that kills. */
  private hasClaimed = false
  /** Rows that an epoch may take; small up to `suspectTo`, so that it is not a hunt from the start for each row before the one that kills. */
  private rowsMax = ROWS_MAX
  private suspectTo = 0
  /** A row was found that kills: as others may follow soon, epochs grow slowly to their size. */
  private hasFound = false
  private readonly beat: TaskBeat
  /** Of the last epoch computed; where the next begins. Its own to change. */
  lastEpoch = 0
  readTo = 0
  /** No record lies from readTo to here, where it reads next. */
  passed = 0
  committed = 0
  private committedTo = 0
  private bytesSinceCheckpoint = 0
  private listWritten = false
  /** What is under way of the open checkpoint, until it is on the disk or with a broker. Never rejects. */
  private writing: Promise<void> | undefined
  private failure: unknown
  private release: { receiptsThrough: number; inputBefore: number } | undefined
  /** What the last checkpoint that began needs of the input, and all after it. */
  neededFrom = 0
  private justClaimed: number | undefined
  private accepted: EpochInputs['accepted']
  private offsetDueMs = 0
  checkpoints = 0
  /** Time that the lane has spent on committed epochs, and on finished checkpoints from begin to end. */
  epochMs = 0
  checkpointMs = 0

  constructor(options: TaskOptions, log: Log, store: StateStore) {
    this.options = options
    this.partition = options.partition
    this.log = log
    this.store = store
    this.beat = options.beat ?? UNWATCHED
  }

  get name(): string {
    const { stage, lineage } = this.options
    return `task.${lineage}.${stage.name}.${stage.topic}.${this.partition}`
  }

  get stats() {
    const { partition, checkpoints, epochMs, checkpointMs, watermark } = this
    const own = { partition, position: this.committedTo, epoch: this.committed, checkpoints, epochMs, checkpointMs, watermark }
    return { ...own, ...this.computer.stats }
  }

  /** Watermark of the slowest actor, for displays only. */
  get watermark(): number {
    return this.computer.watermark
  }

  /** Claims, loads the last finished checkpoint, and computes again to the end of the last committed epoch. Progress: in epochs, the first time with 0 done. */
  async recover(nowMs: number, onProgress?: (done: number, of: number) => void): Promise<void> {
    const { stage, lineage, code, partition } = this.options
    const at = { topic: stage.topic, partition }
    this.claim = await this.log.claim<Receipt>(this.name, at, this.hasClaimed || this.beat.follows === 'an end')
    this.hasClaimed = true
    this.claims = this.claim.claimsSinceCommit
    this.ahead = undefined
    this.computer = stage.computer({ lineage, code, partition }, this.store)
    const header = this.store.header
    // Before there is a reader, for whom it would be where he is to look.
    const bounds = await this.log.bounds(at)
    this.reader = this.log.reader(at)
    this.lastEpoch = header?.epoch ?? 0
    this.readTo = (header?.to as number | undefined) ?? 0
    this.passed = this.neededFrom = (header?.passed as number | undefined) ?? this.readTo
    const last = this.claim.last
    this.committed = last?.epoch ?? 0
    this.committedTo = last?.to ?? 0
    this.accepted = undefined
    if (header && !this.computer.reads(header.layout as string)) throw await this.refuse(header.code as string, 'its state was written')
    if (this.options.sameCode && last && last.code !== code) throw await this.refuse(last.code, 'its last epoch was committed')
    if (this.lastEpoch > this.committed) {
      if (await this.claim.holds())
        throw new EngineError(
          'CHECKPOINT_AHEAD',
          `partition ${partition}: the checkpoint is of epoch ${this.lastEpoch}, the log ends at epoch ${this.committed}`,
          'The log lost committed epochs (a restored backup, a removed file?). Restore it, or move the state folder away to recompute from the log.',
        )
      throw fenced(this.name)
    }
    // Also where nothing must be computed again: new records would get the offsets of those that are lost, and be passed over.
    if (Math.max(last?.to ?? 0, this.passed) > (bounds.decided ?? bounds.end)) throw await this.missing(bounds)
    if (last && this.lastEpoch < last.epoch) {
      if (this.passed < bounds.start && last.to > this.passed) throw await this.missing(bounds)
      const first = this.lastEpoch
      onProgress?.(0, last.epoch - first)
      for await (const receipt of this.claim.receipts(first)) {
        if (receipt.epoch !== this.lastEpoch + 1) throw await this.missing(bounds, receipt.epoch)
        await this.recompute(receipt)
        onProgress?.(receipt.epoch - first, last.epoch - first)
      }
      if (this.lastEpoch !== last.epoch) throw await this.missing(bounds)
      this.ahead = undefined
    }
    if (this.claims > 1 && this.passed >= bounds.end) await this.countAnew(at)
    this.justClaimed = nowMs
    const hunt = this.beat.hunt(this.readTo)
    if (hunt) Object.assign(this, hunt)
  }

  /** No row is left that can have ended the processes before this one: what comes is not suspected of it (protocol 22). */
  private async countAnew(at: TopicPartition): Promise<void> {
    await this.claim.release()
    this.claim = await this.log.claim<Receipt>(this.name, at)
    if ((this.claim.last?.epoch ?? 0) !== this.committed) throw fenced(this.name)
    this.claims = this.claim.claimsSinceCommit
  }

  /** Computes the next epoch: at most epochBytes of input. Undefined where there is neither input nor anything else to do. */
  async next(live: { nowMs: number } | undefined, asked: { snapshots?: true; close?: true; pass?: true } = {}): Promise<Epoch | undefined> {
    const { options } = this
    // What is asked for stands in an epoch of its own: before any row that comes after it.
    const nothing = { bytes: NO_BYTES, blocks: [], next: this.passed }
    // What an epoch brings into memory has no bound but its input: where room is short, epochs are.
    const most = this.computer.stateBytes * 2 > options.cacheBytes ? options.epochBytes >> 2 : options.epochBytes
    const isAsked = Object.keys(asked).length > 0
    const read = isAsked ? nothing : await this.reader.read(this.passed, most)
    const { end } = await this.log.bounds({ topic: options.stage.topic, partition: this.partition })
    const mustRecord = this.accepted !== undefined || (options.checkpointDue !== undefined && this.hasOnlyPassed)
    if (read.blocks.length === 0) this.passed = read.next
    const idleDue = live !== undefined && this.passed >= end && this.computer.nextIdleMs() <= live.nowMs
    if (read.blocks.length === 0 && !isAsked && !idleDue && !mustRecord) return undefined
    const from = this.readTo
    let to = this.load(read, from, Number.POSITIVE_INFINITY)
    const dead = new Set<number>()
    if (from >= this.suspectTo) this.rowsMax = ROWS_MAX
    if (this.claims > 1) this.rowsMax = Math.min(this.rowsMax, Math.max(1, HUNT_ROWS >> Math.min(30, 4 * (this.claims - 1))))
    if (this.computer.rows > this.rowsMax) {
      this.computer.truncate(this.rowsMax)
      to = this.computer.offset(this.rowsMax - 1) + 1
      this.suspectTo = Math.max(this.suspectTo, read.next)
    }
    const isKnown = this.claims >= CLAIMS_MAX || this.beat.loneEnds(to) >= LONE_ENDS_MAX
    if (this.rowsMax === 1 && this.computer.rows === 1 && isKnown) {
      dead.add(this.computer.offset(0))
      this.hasFound = true
    }
    const inputs: EpochInputs = {}
    if (live) {
      inputs.now = live.nowMs
      // While there is more to read an actor is not idle: its rows may be in it.
      if (Math.max(to, this.passed) >= end) inputs.atEnd = true
      if (this.justClaimed !== undefined) inputs.claimedAt = this.justClaimed
    }
    this.justClaimed = undefined
    if (this.accepted) inputs.accepted = this.accepted
    this.accepted = undefined
    if (asked.snapshots) inputs.snapshots = true
    if (asked.close) inputs.close = true
    this.bytesSinceCheckpoint += sizeOf(read.blocks)
    const replay = dead.size > 0 ? { dead, forgotten: [] } : undefined
    const epoch = this.beat.during(from, to, this.computer.rows, () => this.computer.compute(this.lastEpoch + 1, from, to, inputs, replay))
    this.lastEpoch++
    this.readTo = to
    this.passed = Math.max(to, this.passed)
    return epoch
  }

  /** Commits an epoch, in the order in which they were computed. Rejects if the task's memory must be dropped. */
  async commit({ receipt, outputs }: Epoch, nowMs = 0): Promise<void> {
    const { release } = this
    this.release = undefined
    if (this.options.exactlyOnce || nowMs >= this.offsetDueMs) {
      this.offsetDueMs = nowMs + OFFSET_EVERY_MS
      await this.claim.commit(release ? { outputs, receipt, release } : { outputs, receipt })
    } else await this.claim.commit({ outputs })
    this.computer.recycle(outputs)
    this.committed = receipt.epoch
    this.committedTo = receipt.to
    this.claims = 1
    if (this.hasFound) this.rowsMax = Math.min(ROWS_MAX, this.rowsMax * 2)
  }

  /** Between two epochs: begins, continues or finishes a checkpoint, evicts, and keeps the state store in order. True while there is more of it to do.
   *  `waits`: for what it began of a checkpoint to be written; else only where reading waits for that, too. Rejects also with what failed since the last call. */
  async tend(waits = true): Promise<boolean> {
    if (!this.options.exactlyOnce) return false
    this.throwFailure()
    const { cacheBytes, checkpointBytes, partition, checkpointDue } = this.options
    // Who has waited reads on, also where the checkpoint finishes in this call: nothing else may be left to wake its lane.
    const hasWaited = this.mustWait
    if (this.computer.checkpoints.openEpoch === undefined && this.writing === undefined) {
      const used = Math.max(this.bytesSinceCheckpoint / checkpointBytes, this.computer.checkpoints.dirtyShare(cacheBytes))
      if (used >= shareOf(partition) || (checkpointDue && this.passed > this.neededFrom && this.lastEpoch > this.checkpointed))
        this.beginCheckpoint()
    }
    if (this.computer.checkpoints.openEpoch !== undefined) {
      // The more urgent the more input has come since it began, which a crash would have computed again, and where three quarters of the cache wait for its end.
      const held = 4 * this.computer.checkpoints.heldShare(cacheBytes) - 3
      const share = hasWaited || checkpointDue === 'now' ? 1 : Math.max(this.bytesSinceCheckpoint / checkpointBytes / 2, held)
      this.writing ??= this.write(Math.max(SLICE_LEAST_BYTES, SLICE_BYTES * Math.min(1, share))).finally(() => {
        this.writing = undefined
      })
      if (waits || hasWaited) await this.writing
      this.throwFailure()
    }
    // Beyond the bound who is clean is looked for among all.
    const { stateBytes } = this.computer
    const wanted = cacheBytes - (cacheBytes >> 4)
    if (stateBytes > wanted) this.computer.checkpoints.evict(wanted, stateBytes > cacheBytes ? undefined : EVICT_LOOKS)
    const more = this.writing === undefined && (await this.store.maintain())
    return more || hasWaited || this.computer.checkpoints.openEpoch !== undefined
  }

  /** The next slice of the open checkpoint, or its end. */
  private async write(bytes: number): Promise<void> {
    try {
      this.listWritten ||= await this.computer.checkpoints.slice(bytes)
      if (this.listWritten && this.committed >= (this.computer.checkpoints.openEpoch as number)) await this.finishCheckpoint()
    } catch (error) {
      this.failure = error
    }
  }

  private throwFailure(): void {
    const { failure } = this
    this.failure = undefined
    if (failure !== undefined) throw failure
  }

  /** Processes ended after it was claimed, without a commit since: one of its rows may end this one. */
  get isSuspect(): boolean {
    return this.claims > 1
  }

  /** It is claimed for the second, fourth, … time without a commit. */
  get isEvenClaim(): boolean {
    return this.claims % 2 === 0
  }

  get isCheckpointing(): boolean {
    return this.computer.checkpoints.openEpoch !== undefined
  }

  /** A checkpoint begins when half of the cache is dirty or more; when all of it is, reading waits for the checkpoint (protocol 14). */
  get mustWait(): boolean {
    return this.computer.checkpoints.openEpoch !== undefined && this.computer.isFull(this.options.cacheBytes)
  }

  /** When an idle actor's timers would be due by processing time alone. */
  get nextIdleMs(): number {
    return this.computer.nextIdleMs()
  }

  /** All epochs are committed: a checkpoint of the last one, the claim released. */
  async stop(): Promise<void> {
    // However it ends: another one follows.
    await this.writing
    if (this.options.exactlyOnce) {
      if (this.computer.checkpoints.openEpoch !== undefined) await this.computer.checkpoints.abort()
      if (this.hasOnlyPassed) await this.commit((await this.next(undefined, { pass: true }))!)
      if (this.lastEpoch > this.checkpointed) {
        this.beginCheckpoint()
        while (!(await this.computer.checkpoints.slice(SLICE_BYTES)));
        await this.finishCheckpoint()
      }
    }
    this.reader.close()
    await this.claim.release()
    await this.store.close()
  }

  /** It cannot go on, and its process lives: no row is suspected for that. */
  async leave(): Promise<void> {
    await this.writing
    this.reader?.close()
    await this.claim?.release().catch(() => undefined)
  }

  /** Drops the task's memory after a failure; `recover` starts again. */
  async abandon(): Promise<void> {
    this.reader?.close()
    await this.writing
    this.failure = undefined
    await this.computer?.checkpoints.abort().catch(() => undefined)
  }

  /** No record has come since the last checkpoint, and what is none has: checkpoints follow epochs, an empty one says how far that is so. */
  private get hasOnlyPassed(): boolean {
    return this.passed > this.neededFrom && this.lastEpoch === this.checkpointed
  }

  /** The epoch of the last finished checkpoint. */
  private get checkpointed(): number {
    return this.store.header?.epoch ?? 0
  }

  private beginCheckpoint(): void {
    this.listWritten = false
    this.bytesSinceCheckpoint = 0
    this.neededFrom = this.passed
    this.computer.checkpoints.begin({
      epoch: this.lastEpoch,
      to: this.readTo,
      passed: this.passed,
      code: this.options.code,
      layout: this.computer.layout,
      ...this.computer.header,
    })
  }

  private async finishCheckpoint(): Promise<void> {
    const inputBefore = this.neededFrom
    await this.computer.checkpoints.finish()
    this.checkpoints++
    this.release = { receiptsThrough: this.checkpointed, inputBefore }
  }

  private async recompute(receipt: Receipt): Promise<void> {
    const read = await this.readRange(Math.min(receipt.to, Math.max(receipt.from, this.passed)), receipt.to)
    this.load(read, receipt.from, receipt.to)
    this.bytesSinceCheckpoint += sizeOf(read.blocks.filter(({ baseOffset }) => baseOffset < receipt.to))
    const replay = { dead: new Set(receipt.dead), forgotten: receipt.forgotten }
    const again = this.beat.during(receipt.from, receipt.to, receipt.rows, () =>
      this.computer.compute(receipt.epoch, receipt.from, receipt.to, receipt.inputs, replay),
    ).receipt
    const differs = difference(receipt, again)
    if (differs !== undefined) {
      if (!(await this.claim.holds())) throw fenced(this.name)
      if (receipt.epoch < (this.options.acceptFrom ?? Number.POSITIVE_INFINITY)) throw this.diverged(receipt, differs)
      this.accepted ??= { from: receipt.epoch, code: receipt.code }
    }
    this.lastEpoch = receipt.epoch
    this.readTo = receipt.to
    this.passed = Math.max(this.passed, this.readTo)
  }

  /** Blocks that cover [from, to), in one buffer, however the log cuts them now. */
  private async readRange(from: number, to: number): Promise<ReadResult> {
    if (from === to) return { bytes: NO_BYTES, blocks: [], next: to }
    const { ahead } = this
    if (ahead && ahead.next >= to && ahead.blocks[0].baseOffset <= from) {
      // Blocks behind the range stay: what is decoded is written behind the last of them.
      while (ahead.blocks[0].baseOffset + ahead.blocks[0].count <= from) ahead.blocks.shift()
      return ahead
    }
    const first = await this.reader.read(from, this.options.epochBytes)
    this.ahead = first.blocks.length > 0 && first.next >= to ? first : undefined
    if (this.ahead || first.blocks.length === 0) return first
    const blocks: BlockRange[] = []
    const parts: Uint8Array[] = []
    let size = 0
    for (let read = first; ; read = await this.reader.read(read.next, this.options.epochBytes)) {
      for (const block of read.blocks) {
        // A copy: the reader's buffer is overwritten by its next read (and a Buffer's slice is none).
        parts.push(new Uint8Array(read.bytes.subarray(block.pos, block.pos + block.length)))
        blocks.push({ ...block, pos: size })
        size += block.length
      }
      if (read.next >= to || read.blocks.length === 0) return { bytes: Buffer.concat(parts), blocks, next: read.next }
    }
  }

  /** Loads a read's rows of [from, to). Returns the next fetch position. */
  private load(read: ReadResult, from: number, to: number): number {
    this.computer.load(read, from, to)
    return read.blocks.length === 0 ? from : Math.min(read.next, to)
  }

  private async missing({ start, end }: { start: number; end: number }, receipt?: number): Promise<EngineError> {
    if (!(await this.claim.holds())) return fenced(this.name)
    const receipts = receipt === undefined ? '' : `, and receipts from epoch ${receipt} on`
    return new EngineError(
      'REPLAY_IMPOSSIBLE',
      `partition ${this.partition}: epoch ${this.committed} has been committed, which ends at offset ${this.committedTo}; the checkpoint is of epoch ${this.lastEpoch}, ` +
        `at offset ${this.readTo}, and the log holds the offsets ${start} to ${end}${receipts}`,
      'Input or receipts that recovery needs are gone (a checkpoint was removed, retention was below what it needs, or files were removed). Restore the data folder from a copy, or import again into a new one (--data).',
    )
  }

  private diverged({ epoch, from, to, code }: Receipt, differs: string): EngineError {
    const { partition, options } = this
    const isOther = code !== options.code
    return new EngineError(
      isOther ? 'UPGRADE_DIVERGED' : 'REPLAY_DIVERGED',
      `partition ${partition}, epoch ${epoch} (offsets ${from} to ${to}): the recomputation differs from what was committed in ${differs}` +
        (isOther ? `; it was committed by ${code}, this is ${options.code}` : ''),
      `${isOther ? 'This version, or these settings, compute it otherwise' : 'An operator is not a function of its events (a clock, a random number, a variable outside its state)'}. ` +
        `Nothing of this was published. ${isOther ? 'Choose: with the code and settings of before, packmill upgrade drain, then start this one;' : 'Mend the operator, then choose:'} keep what was published and go on (packmill upgrade accept ${partition}:${epoch}); ` +
        'or compute all output anew in a new folder (packmill upgrade rebuild --into DIR).',
    )
  }

  private async refuse(other: string, what: string): Promise<EngineError> {
    if (!(await this.claim.holds())) return fenced(this.name)
    return new EngineError(
      'CODE_CHANGED',
      `partition ${this.partition}: ${what} by ${other}; this is ${this.options.code}, which cannot go on with that`,
      'Go on with the version and settings of before, or compute all output anew from the log in a new folder (packmill upgrade rebuild --into DIR).',
    )
  }
}

const fenced = (name: string) =>
  new EngineError('FENCED', `${name} was claimed by another owner`, 'Nothing to do: the other owner goes on.')
const sizeOf = (blocks: readonly BlockRange[]) => blocks.reduce((sum, { length }) => sum + length, 0)
