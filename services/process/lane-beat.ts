// Where a lane is in its work, in memory that outlives its thread: whoever watches it sees an operator that does not come back, and the thread
// that follows one which ended in the middle of an epoch knows which rows that was at (protocol 22).
//
// Owns the layout of one SharedArrayBuffer. No timers, no decision to end a thread: that is the watcher's.
import type { TaskBeat } from '../../engine/lane/beat.ts'

const COUNT = 0
const CELL = 1
const HEAD_BYTES = 16
const FIELDS = 7
/** Of the epoch that a task began last. */
const FROM = 0
const TO = 1
const ROWS = 2
/** What earlier ends have taught. */
const ROWS_MAX = 3
const SUSPECT_TO = 4
const LONE_AT = 5
const LONE_ENDS = 6

export class LaneBeat {
  private readonly words: Int32Array
  private readonly fields: Float64Array

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer, 0, HEAD_BYTES / 4)
    this.fields = new Float64Array(buffer, HEAD_BYTES)
  }

  /** For so many tasks. */
  static buffer(tasks: number): SharedArrayBuffer {
    return new SharedArrayBuffer(HEAD_BYTES + tasks * FIELDS * 8)
  }

  /** Changes whenever an epoch begins or ends; odd while one is being computed. */
  get count(): number {
    return Atomics.load(this.words, COUNT)
  }

  /** The task whose epoch is being computed, or was when the thread ended. */
  get inside(): { task: number; from: number; to: number; rows: number } | undefined {
    if (this.count % 2 === 0) return undefined
    const task = Atomics.load(this.words, CELL)
    const [from, to, rows] = this.fields.subarray(task * FIELDS, task * FIELDS + 3)
    return { task, from, to, rows }
  }

  /** Before a thread starts. What the one before it was in the middle of is counted against those rows. */
  takeOver(): { ended: number | undefined } {
    const { inside } = this
    if (!inside) return { ended: undefined }
    const own = this.fields.subarray(inside.task * FIELDS, (inside.task + 1) * FIELDS)
    own[ROWS_MAX] = Math.max(1, Math.floor(own[ROWS] / 16))
    own[SUSPECT_TO] = Math.max(own[SUSPECT_TO], own[TO])
    if (own[ROWS] === 1) {
      own[LONE_ENDS] = own[LONE_AT] === own[TO] ? own[LONE_ENDS] + 1 : 1
      own[LONE_AT] = own[TO]
    }
    Atomics.add(this.words, COUNT, 1)
    return { ended: inside.task }
  }

  of(task: number, follows: TaskBeat['follows']): TaskBeat {
    return new SharedTaskBeat(this.words, this.fields.subarray(task * FIELDS, (task + 1) * FIELDS), task, follows)
  }
}

class SharedTaskBeat implements TaskBeat {
  readonly follows: TaskBeat['follows']
  private readonly words: Int32Array
  private readonly own: Float64Array
  private readonly task: number

  constructor(words: Int32Array, own: Float64Array, task: number, follows: TaskBeat['follows']) {
    this.words = words
    this.own = own
    this.task = task
    this.follows = follows
  }

  hunt(committedTo: number): { rowsMax: number; suspectTo: number } | undefined {
    const { own } = this
    return own[SUSPECT_TO] > committedTo ? { rowsMax: own[ROWS_MAX], suspectTo: own[SUSPECT_TO] } : undefined
  }

  loneEnds(to: number): number {
    return this.own[LONE_AT] === to ? this.own[LONE_ENDS] : 0
  }

  during<T>(from: number, to: number, rows: number, compute: () => T): T {
    const { own, words } = this
    own[FROM] = from
    own[TO] = to
    own[ROWS] = rows
    Atomics.store(words, CELL, this.task)
    Atomics.add(words, COUNT, 1)
    try {
      return compute()
    } finally {
      Atomics.add(words, COUNT, 1)
    }
  }
}
