// One `packmill up` that shares partitions with others: what it has at work, as its log says it. Owns the child's standard error.
import { createInterface } from 'node:readline'
import type { Running } from '../../cli/packmill-process.fake.ts'
import type { Moved } from '../../services/process/shares.ts'

export type Said = Moved & { atMs: number }

/** A line of its log. */
export interface LogLine {
  level: string
  msg: string
  error?: { code?: string; message?: string }
}

export class UpProcess {
  readonly said: Said[] = []
  readonly at = new Set<number>()
  /** It has started. */
  isReady = false
  readonly running: Running
  private readonly heard: (line: LogLine) => void

  /** `heard`: after each line. */
  constructor(running: Running, heard: (line: LogLine) => void) {
    this.running = running
    this.heard = heard
    createInterface({ input: running.child.stderr! }).on('line', (line) => this.line(line))
  }

  get share(): number[] {
    return [...this.at].sort((a, b) => a - b)
  }

  private line(text: string): void {
    if (!text.startsWith('{')) return
    const line = JSON.parse(text) as LogLine
    if (line.msg === 'partitions') {
      const said = { ...(line as unknown as Moved), atMs: Date.now() }
      this.said.push(said)
      for (const partition of 'partitions' in said ? said.partitions : [])
        if (said.is === 'taken') this.at.add(partition)
        else this.at.delete(partition)
    }
    if (line.msg === 'ready') this.isReady = true
    this.heard(line)
  }
}
