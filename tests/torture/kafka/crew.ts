// Processes that share the partitions of one topic, behind a door that breaks: starts them, hears what they say, ends them, and says when each partition is at
// work once. Whatever one says or does that it should not ends every wait.
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { startPackmill } from '../../../cli/packmill-process.fake.ts'
import { type LogLine, UpProcess } from '../../kafka/up-process.ts'

export interface CrewOptions {
  /** A folder per name is made below, and a file with what each process says. */
  folder: string
  names: readonly string[]
  partitions: number
  /** `path=value`, of the process of that name. */
  set(name: string): string[]
}

/** Nothing takes longer: neither a session's end, nor a broker's start, nor a recovery. */
const PATIENCE_MS = 300_000
/** What each ends with where it was asked to. */
const CLEAN = 0
const AWAY = /KAFKA_UNAVAILABLE/

export class Crew {
  /** Those that should be running. */
  readonly processes = new Map<string, UpProcess>()
  /** What they waited for, by what it was: how often. */
  readonly waits = new Map<string, number>()
  /** The longest that it took until all partitions were at work. */
  longestMs = 0
  private readonly options: CrewOptions
  private readonly all: UpProcess[] = []
  private readonly broken = Promise.withResolvers<never>()
  private waiting: (() => void)[] = []

  constructor(options: CrewOptions) {
    this.options = options
    this.broken.promise.catch(() => undefined)
  }

  start(name: string): UpProcess {
    const { folder, set } = this.options
    const args = ['up', '--no-http', '--every', '86400', '--data', join(folder, name), ...set(name).flatMap((one) => ['--set', one])]
    const running = startPackmill(folder, args)
    const path = join(folder, `${name}-${this.all.length + 1}.log`)
    for (const said of [running.child.stdout!, running.child.stderr!]) said.on('data', (text: Buffer) => appendFileSync(path, text))
    const process = new UpProcess(running, (line) => this.heard(name, line))
    this.processes.set(name, process)
    this.all.push(process)
    void process.running.ended.then(({ code, signal, out, err }) => {
      if (this.processes.get(name) !== process) return
      if (process.isReady || !AWAY.test(err)) return this.break(`${name} ended with ${code ?? signal}:\n${tail(out)}${tail(err)}`)
      // A start says that no broker is there; whoever supervises it tries again.
      this.count('a start that found no broker')
      this.start(name)
    })
    return process
  }

  /** Resolves when it is gone. */
  async kill(name: string): Promise<UpProcess> {
    const process = this.processes.get(name)!
    this.processes.delete(name)
    process.running.child.kill('SIGKILL')
    await process.running.ended
    return process
  }

  async stop(name: string): Promise<void> {
    const process = this.processes.get(name)!
    this.processes.delete(name)
    process.running.child.kill('SIGTERM')
    const { code, signal, out, err } = await this.orBroken(process.running.ended)
    // A start that is broken off owes nothing, and says so by its signal.
    const isBrokenOff = signal === 'SIGTERM' && !process.isReady
    if (code !== CLEAN && !isBrokenOff) this.break(`${name}, asked to stop, ended with ${code ?? signal}:\n${tail(out)}${tail(err)}`)
  }

  /** Each partition is at work in one process, and each process has started and has some. */
  async shared(): Promise<void> {
    const fromMs = performance.now()
    const { names, partitions } = this.options
    await this.until('each partition is at work once', () => {
      const all = [...this.processes.values()]
      const at = all.map(({ share }) => share)
      return (
        at.length === names.length &&
        all.every(({ isReady }) => isReady) &&
        at.every(({ length }) => length > 0) &&
        at.flat().length === partitions &&
        new Set(at.flat()).size === partitions
      )
    })
    this.longestMs = Math.max(this.longestMs, performance.now() - fromMs)
  }

  /** Others than that one have all of these at work. */
  takenUp(partitions: readonly number[], from: UpProcess): Promise<void> {
    const others = () => [...this.processes.values()].filter((one) => one !== from)
    return this.until(`others have ${partitions.join(', ')} at work`, () =>
      partitions.every((partition) => others().some(({ at }) => at.has(partition))),
    )
  }

  /** Looked at after each line that any of them says. Rejects where one has broken, or nothing comes of it. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    const late = AbortSignal.timeout(PATIENCE_MS)
    late.onabort = () => this.wake()
    while (!isSo()) {
      if (late.aborted) this.break(`not within ${PATIENCE_MS / 1000} s: ${what}\n${this.state()}`)
      await this.orBroken(new Promise<void>((resolve) => this.waiting.push(resolve)))
    }
  }

  orBroken<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.broken.promise])
  }

  /** Ends all, hard. */
  async end(): Promise<void> {
    this.processes.clear()
    for (const { running } of this.all) running.child.kill('SIGKILL')
    await Promise.all(this.all.map(({ running }) => running.ended))
  }

  private heard(name: string, { level, msg, error }: LogLine): void {
    if (level === 'error') this.break(`${name} said: ${msg}: ${error?.code}: ${error?.message}`)
    if (level === 'warn') {
      this.count(`${msg.split(':')[0]} ${error?.code ?? ''}`.trim())
    }
    this.wake()
  }

  private count(wait: string): void {
    this.waits.set(wait, (this.waits.get(wait) ?? 0) + 1)
  }

  private wake(): void {
    const told = this.waiting
    this.waiting = []
    for (const look of told) look()
  }

  private break(message: string): void {
    this.broken.reject(new Error(message))
  }

  private state(): string {
    return [...this.processes]
      .map(([name, { share, said }]) => `${name} has ${share.join(', ') || 'none'}, said last ${JSON.stringify(said.at(-1))}`)
      .join('\n')
  }
}

const tail = (text: string) => text.slice(-4000)
