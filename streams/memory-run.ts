// A topology in memory: its stages over topics that are lists, epoch by epoch as the caller says, in the time that the caller gives.
//
// The computers, their order and the form of records are the product's; log, lane and clock are not there. What a process does after a crash is
// `restart`: state through the real codec, out of the last checkpoint, and the epochs since computed again and compared with their receipts.
import type { Computer } from '../engine/lane/computer.ts'
import { difference, type Receipt } from '../engine/lane/receipt.ts'
import { MemoryStore } from './memory-store.ts'
import { recordStages } from './record-computer.ts'
import type { Topology } from './stream.ts'

interface Running {
  topic: string
  store: MemoryStore
  computer: Computer
  position: number
  epoch: number
  /** Since the beginning. */
  receipts: Receipt[]
}

/** What an epoch begins with beside records. */
export interface StepInputs {
  /** The clock, ms since epoch, in a process that stays. */
  now?: number
  /** There was no more to read. */
  atEnd?: true
  /** The input has ended. */
  close?: true
}

const SLACK = 64

/** A topology in memory, epoch by epoch as the test says. Stages are its tasks, one after the other: one, and one more behind each `rekey` and `merge`.
 *  What operators, windows and the form of records do is the product's own code; there is no disk and no clock. */
export class MemoryRun {
  /** Records of each topic, as text. */
  readonly topics = new Map<string, string[]>()
  private stages: Running[]

  /** Begins with empty topics. */
  constructor(topology: Topology) {
    this.stages = recordStages(topology).map((stage) => {
      const store = new MemoryStore()
      const computer = stage.computer(scope, store)
      return { topic: stage.topic, store, computer, position: 0, epoch: 0, receipts: [] }
    })
  }

  /** How many stages it has; they are 0 … stageCount − 1. */
  get stageCount(): number {
    return this.stages.length
  }

  /** Behind what the topic has. A record is anything that JSON can hold; of a `lines` source, a string. */
  append(topic: string, records: readonly unknown[]): void {
    this.lines(topic).push(...records.map((record) => JSON.stringify(record)))
  }

  /** Records that a stage has not read yet. */
  waiting(stage: number): number {
    const { topic, position } = this.stages[stage]
    return this.lines(topic).length - position
  }

  /** One epoch of a stage, of at most `rows` records. */
  step(stage: number, rows: number, inputs: StepInputs = {}): void {
    const own = this.stages[stage]
    const from = own.position
    const to = Math.min(from + rows, this.lines(own.topic).length)
    this.load(own.computer, own.topic, from, to)
    const { receipt, outputs } = own.computer.compute(own.epoch + 1, from, to, inputs, undefined)
    for (const { topic, bytes } of outputs) this.lines(topic).push(...Buffer.from(bytes).toString().trimEnd().split('\n'))
    own.epoch++
    own.position = to
    own.receipts.push(receipt)
  }

  /** Every stage reads all there is, `rows` at a time. */
  settle(rows = 1000, inputs: StepInputs = {}): void {
    for (let stage = 0; stage < this.stageCount; stage++) while (this.waiting(stage) > 0) this.step(stage, rows, inputs)
  }

  /** The end of the input: what waits for time to pass happens. */
  close(rows = 1000): void {
    for (let stage = 0; stage < this.stageCount; stage++) {
      while (this.waiting(stage) > 0) this.step(stage, rows)
      this.step(stage, 0, { close: true })
    }
  }

  /** Nothing comes in, and the clock says `nowMs`: what an idle process does. */
  tick(nowMs: number): void {
    for (let stage = 0; stage < this.stageCount; stage++) {
      while (this.waiting(stage) > 0) this.step(stage, 1000, { now: nowMs })
      this.step(stage, 0, { now: nowMs, atEnd: true })
    }
  }

  /** Keeps every stage's state as it is now: a later `restart` begins there. */
  async checkpoint(): Promise<void> {
    for (const { computer, epoch, position } of this.stages) {
      computer.checkpoints.begin({ epoch, to: position, layout: computer.layout, ...computer.header })
      while (!(await computer.checkpoints.slice(1 << 20)));
      await computer.checkpoints.finish()
    }
  }

  /** The process dies, and another one begins with `topology`. Throws where an epoch computed again differs from its receipt. */
  restart(topology: Topology): void {
    this.stages = recordStages(topology).map((stage, i) => {
      const { topic, receipts, epoch, position, store: old } = this.stages[i]
      const store = old.fork()
      const computer = stage.computer(scope, store)
      if (store.header) computer.reads(store.header.layout as string)
      for (const receipt of receipts.slice(store.header?.epoch ?? 0)) {
        this.load(computer, topic, receipt.from, receipt.to)
        const replay = { dead: new Set(receipt.dead), forgotten: receipt.forgotten }
        const again = computer.compute(receipt.epoch, receipt.from, receipt.to, receipt.inputs, replay).receipt
        const differs = difference(receipt, again)
        if (differs) throw new Error(`epoch ${receipt.epoch} of ${topic}, computed again, differs in ${differs}`)
      }
      return { topic, store, computer, position, epoch, receipts }
    })
  }

  /** The last epoch of a stage was the end of its input. */
  isClosed(stage: number): boolean {
    return this.stages[stage].receipts.at(-1)?.inputs.close === true
  }

  /** When the clock alone would make something happen, ms since epoch; Infinity for never. */
  get nextIdleMs(): number {
    return Math.min(...this.stages.map(({ computer }) => computer.nextIdleMs()))
  }

  /** The topic's records as text, oldest first; its own list. */
  lines(topic: string): string[] {
    let lines = this.topics.get(topic)
    if (!lines) this.topics.set(topic, (lines = []))
    return lines
  }

  private load(computer: Computer, topic: string, from: number, to: number): void {
    const text = this.lines(topic)
      .slice(from, to)
      .map((line) => `${line}\n`)
      .join('')
    const length = Buffer.byteLength(text)
    const bytes = Buffer.alloc(length + SLACK)
    bytes.write(text)
    computer.load({ bytes, blocks: to > from ? [{ baseOffset: from, count: to - from, pos: 0, length }] : [], next: to }, from, to)
  }
}

const scope = { lineage: 'test', code: 'test', partition: 0 }
