// The parent's handle on a process to be killed (import-child.ts): starts it, hears what it says, stops its clock, ends it.
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ChildLine, ChildTask } from './import-child.ts'

export type AnswerLine = Extract<ChildLine, { phase: 'answer' }>
export type Trouble = Extract<ChildLine, { phase: 'trouble' }>

export class Child {
  readonly lines: ChildLine[] = []
  /** What it wrote to stderr: nothing, unless it broke. */
  stderr = ''
  /** Resolves when the process is gone and all that it said is in `lines`. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  private readonly process: ChildProcess
  private readonly waiting = new Set<() => void>()

  /** `marks`: a folder in which it shows that it commits (mark-commits.ts). */
  constructor(task: ChildTask, marks?: string) {
    const preload = marks === undefined ? [] : ['--import', new URL('./mark-commits.ts', import.meta.url).href]
    this.process = spawn(process.execPath, [...preload, join(import.meta.dirname, 'import-child.ts'), JSON.stringify(task)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '', TORTURE_MARKS: marks },
    })
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    createInterface({ input: this.process.stdout! }).on('line', (line) => {
      this.lines.push(JSON.parse(line) as ChildLine)
      this.wake()
    })
    this.ended = new Promise((resolve) => {
      this.process.on('close', (code, signal) => {
        resolve({ code, signal })
        this.wake()
      })
    })
  }

  get pid(): number {
    return this.process.pid!
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null
  }

  get troubles(): Trouble[] {
    return this.lines.filter((line) => line.phase === 'trouble')
  }

  get answer(): AnswerLine | undefined {
    return this.lines.find((line) => line.phase === 'answer')
  }

  /** Resolves with the first line that fits, or undefined when the process has ended without one. */
  async until(fits: (line: ChildLine) => boolean): Promise<ChildLine | undefined> {
    for (let seen = 0; ; ) {
      for (; seen < this.lines.length; seen++) if (fits(this.lines[seen])) return this.lines[seen]
      if (!this.isRunning) {
        await this.ended
        return this.lines.slice(seen).find(fits)
      }
      await new Promise<void>((resolve) => this.waiting.add(resolve))
    }
  }

  /** False where it has ended already. */
  signal(signal: NodeJS.Signals): boolean {
    return this.process.kill(signal)
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve()
    this.waiting.clear()
  }
}
