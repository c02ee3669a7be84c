// packmill run: a topology of one's own, out of its file. Owns what goes in and what is shown: results on stdout, everything else on stderr.
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { checkInput, InputError, openInput } from '../../services/process/open-input.ts'
import type { FileSink } from '../../services/streams/file-sink.ts'
import { loadTopology } from '../../services/streams/load-topology.ts'
import { openStreams, type StreamsNotice, type StreamsProcess } from '../../services/streams/open-streams.ts'
import type { SourceNode, Topology } from '../../streams/stream.ts'
import { addDataOptions, addExamples, type DataOptions, resolveConfig } from '../common-options.ts'
import { describeError, EXIT_FAILURE } from '../errors.ts'
import { interrupt } from '../interrupt.ts'
import { restoring } from '../open-folder.ts'
import { formatCount } from '../print.ts'
import { processing } from '../processing.ts'
import { ProgressLine } from '../progress-line.ts'
import { type RecoveryProgress, recoveryProgress } from '../recovery-progress.ts'
import { takeStdin } from '../stdin.ts'
import { topologyData } from '../topology-data.ts'
import { version } from '../version.ts'
import { watch } from '../watch.ts'

interface RunOptions extends DataOptions {
  input?: string[]
  out?: string[]
  open?: boolean
  follow?: boolean
  watch?: boolean
  all?: boolean
  quiet?: boolean
}

/** Late records and dead letters that are shown one by one. */
const SHOWN_MAX = 20
/** Of each of them. */
const RECORD_CHARS = 300

export function run(command: Command): void {
  command
    .argument('<file>', 'TypeScript or JavaScript that exports a topology')
    .option('--input <[topic=]file>', 'lines for a source, gzipped or not; - for stdin; repeatable', (text, all: string[] = []) => [
      ...all,
      text,
    ])
    .option(
      '--out <[topic=]file>',
      'write results to a file, each once whatever happens, in place of stdout; repeatable',
      (text, all: string[] = []) => [...all, text],
    )
    .option('--open', 'the input goes on in a later run: windows and timers wait for it')
    .option('--follow', 'stay when the input is read; time goes on by the clock; Ctrl-C ends it')
    .option('--watch', 'as --follow, and start again with the new code when the file, or one that it imports, changes; state is kept')
    .option('--all', 'print what earlier runs put out, too')
    .option('--quiet', 'print no results')
    .action(action)
  addExamples(addDataOptions(command), [
    ['packmill run ./mine.ts --input events.jsonl', 'results as lines of JSON; the same input again adds nothing'],
    ['packmill run ./join.ts --input orders=o.jsonl --input payments=p.jsonl', 'of two sources'],
    ['packmill run ./mine.ts --input events.jsonl --out results.jsonl', 'into a file, each result once'],
    ['packmill run ./mine.ts --input events.jsonl --watch', 'while you write it'],
    ['tail -f app.log | packmill run ./mine.ts --input - --follow', 'as it happens'],
    [
      'packmill run ./mine.ts --follow --set kafka.brokers=kafka-1:9092',
      'its topics on Kafka; several such processes share the partitions',
    ],
  ])
}

async function action(file: string, options: RunOptions): Promise<void> {
  if (options.watch) return watch(file)
  const topology = await loadTopology(file)
  const loaded = await resolveConfig(options)
  const { config, origins } = loaded
  const data = topologyData(loaded, topology)
  const inputs = inputsOf(topology, options.input ?? [])
  for (const { path } of inputs) await checkInput(path)
  const stdin = inputs.some(({ path }) => path === '-') ? takeStdin() : undefined
  const stopping = interrupt(() => undefined)
  const asked = { partitions: origins.get('log.partitions') !== 'default', lanes: origins.get('engine.lanes') !== 'default' }
  const live = options.follow === true
  const line = new ProgressLine()
  const recovery = recoveryProgress()
  const onNotice = (notice: StreamsNotice) => printNotice(notice, line.say, recovery)
  const opening = openStreams({ file, topology, config: { ...config, data }, asked, version: version(), live, onNotice })
  const streams = await opening.finally(() => recovery.opened())
  let shown: Shown
  try {
    shown = await Shown.of(streams, options, line.say)
    streams.run()
  } catch (error) {
    await streams.stop()
    throw error
  }
  try {
    const printing = shown.follow()
    // A full disk ends the run, whatever is being waited for; so does a place among others that is lost.
    const broken = Promise.race([printing.then(() => new Promise<never>(() => undefined)), streams.lost])
    broken.catch(() => undefined)
    let records = 0
    for (const { source, path } of inputs) {
      const input = await openInput(path, path === '-' ? stdin : undefined)
      const name = path === '-' ? undefined : resolve(path)
      const { size, read } = input
      const append = (onProgress?: (records: number) => void) =>
        streams.append(source, stopping.stream(input.chunks), name, { signal: stopping.signal, onProgress })
      // What goes on for ever is not on its way to an end.
      const isEndless = live && path === '-'
      const appended = await (shown.isOnScreen || isEndless
        ? append()
        : line.during(`read ${path === '-' ? 'stdin' : path}`, 'records', async (update) => {
            const done = await append((count) => update(count, size ? read() / size : undefined))
            update(done.records)
            return done
          }))
      records += appended.records
      if (appended.tooLong > 0) line.say(`${path}: ${formatCount(appended.tooLong)} lines are longer than 64 KB, and were left out`)
      if (appended.waiting > 0)
        line.say(
          `${path}: the last line has no end yet: ${formatCount(appended.waiting)} bytes wait; end it with a newline, or give the file by stdin (--input -)`,
        )
      if (appended.hasGrown)
        line.say(`${path}: a line that had no newline was taken as it was, and is a longer one now: what it has grown by is left out`)
    }
    const settled = () => stopping.race(Promise.race([streams.settle({ close: !options.open && !live }), broken]))
    if (shown.isOnScreen) await settled()
    else await line.during('process', 'records', async (update) => update(await processing(() => streams.stats(), settled, update)))
    await shown.print()
    if (live) await stopping.race(broken)
    shown.stop()
    await printing
    await shown.print()
    shown.summary(records, await streams.stats())
  } catch (error) {
    if (!stopping.signal.aborted) throw error
    // What is under way is finished with the stop.
    if (!live) process.exitCode = (error as { exitCode?: number }).exitCode
  } finally {
    shown.stop()
    await shown.close()
    await streams.stop()
  }
}

interface InputFile {
  source: SourceNode
  path: string
}

/** Throws INPUT_SOURCE. */
function inputsOf({ name, pipelines }: Topology, inputs: readonly string[]): InputFile[] {
  const sources = pipelines.flatMap(({ input }) => (input.kind === 'source' ? [input] : []))
  const topics = sources.map(({ topic }) => topic).join(', ')
  return inputs.map((text) => {
    const named = sources.find(({ topic }) => text.startsWith(`${topic}=`))
    if (named) return { source: named, path: text.slice(named.topic.length + 1) }
    if (sources.length === 1) return { source: sources[0]!, path: text }
    throw new InputError(
      'INPUT_SOURCE',
      `${text} is for which source of topology ${name}?`,
      `Say --input SOURCE=FILE; its sources are ${topics}.`,
    )
  })
}

const TOPIC_AND = /^([\w.-]+)=/

/** Throws OUT_TOPIC. */
function outsOf(topics: readonly string[], outs: readonly string[]): { topic: string; path: string }[] {
  return outs.map((text) => {
    const topic = topics.find((one) => text.startsWith(`${one}=`))
    if (topic) return { topic, path: text.slice(topic.length + 1) }
    // A mistyped topic would make a file of that name.
    const word = TOPIC_AND.exec(text)?.[1]
    if (topics.length === 1 && word === undefined) return { topic: topics[0]!, path: text }
    throw new InputError(
      'OUT_TOPIC',
      `${text} is for which topic?${word === undefined ? '' : ` None is called ${word}.`}`,
      `Say --out TOPIC=FILE; the results are ${topics.join(', ')}.${word === undefined ? '' : ` A file of that name is ./${text}.`}`,
    )
  })
}

/** What the topology puts out, as it comes. */
class Shown {
  private readonly streams: StreamsProcess
  private readonly from = new Map<string, number[]>()
  private readonly quiet: boolean
  private readonly say: (text: string) => void
  private readonly outputs: string[]
  private readonly counts = new Map<string, number>()
  private readonly sinks: FileSink[] = []
  /** Topics that go to a file. */
  private readonly written = new Set<string>()
  /** Topics that go into a table, and which. */
  private readonly tables = new Map<string, string>()
  private isOver = false

  private constructor(streams: StreamsProcess, { quiet }: RunOptions, say: (text: string) => void) {
    this.streams = streams
    this.say = say
    this.quiet = quiet === true
    const { branches } = streams.topology
    this.outputs = [...new Set(branches.map(({ topic }) => topic))]
    for (const { topic, table } of branches) if (table) this.tables.set(topic, table.name)
  }

  static async of(streams: StreamsProcess, options: RunOptions, say: (text: string) => void): Promise<Shown> {
    const shown = new Shown(streams, options, say)
    const { late, deadLetters } = streams.topology.pipelines[0]!
    for (const topic of shown.outputs) {
      const ends = await streams.ends(topic)
      shown.from.set(topic, options.all ? await streams.starts(topic) : ends)
    }
    for (const topic of [late, deadLetters]) shown.from.set(topic, await streams.ends(topic))
    for (const { topic, path } of outsOf(shown.outputs, options.out ?? [])) {
      shown.sinks.push(await streams.sink(topic, path))
      shown.written.add(topic)
    }
    return shown
  }

  private isPrinted(topic: string): boolean {
    return !this.quiet && !this.written.has(topic) && !this.tables.has(topic)
  }

  /** Results come to where progress would be drawn, and tell how far it is. */
  get isOnScreen(): boolean {
    return process.stdout.isTTY && this.outputs.some((topic) => this.isPrinted(topic))
  }

  /** Prints what comes, until `stop`; the last look is the caller's. */
  async follow(): Promise<void> {
    while (!this.isOver) {
      await this.print()
      // A commit of somebody wakes it.
      await Promise.race([this.streams.changed(), this.over.promise])
    }
  }

  stop(): void {
    this.isOver = true
    this.over.resolve()
  }

  private readonly over = Promise.withResolvers<void>()
  private printing: Promise<void> = Promise.resolve()

  print(): Promise<void> {
    return (this.printing = this.printing.then(() => this.printNow()))
  }

  /** After the last look. */
  async close(): Promise<void> {
    await this.printing.catch(() => undefined)
    for (const sink of this.sinks) await sink.close()
  }

  private async printNow(): Promise<void> {
    for (const sink of this.sinks) await sink.drain()
    for (const [topic, from] of this.from) {
      const isResult = this.outputs.includes(topic)
      for await (const record of this.streams.records(topic, from)) {
        const count = (this.counts.get(topic) ?? 0) + 1
        this.counts.set(topic, count)
        if (!isResult) this.printAside(topic, record, count)
        else if (this.isPrinted(topic)) process.stdout.write(this.outputs.length === 1 ? `${record}\n` : `${topic} ${record}\n`)
      }
    }
  }

  /** Late records and dead letters are for who develops: the first ones with all there is to know. */
  private printAside(topic: string, text: string, count: number): void {
    if (count > SHOWN_MAX) return
    const { code, message, pipeline, record: all, timeMs, watermark } = JSON.parse(text) as Record<string, string | number>
    const record = String(all).length > RECORD_CHARS ? `${String(all).slice(0, RECORD_CHARS)}…` : all
    if (topic === this.streams.topology.pipelines[0]!.late)
      this.say(`late: its time ${timeMs} is before the watermark ${watermark} of ${pipeline}: ${record}`)
    else this.say(`dead letter (${code}, ${pipeline}): ${message}: ${record}`)
    if (count === SHOWN_MAX) this.say(`more of these are in topic ${topic}, and not shown`)
  }

  summary(records: number, tasks: Awaited<ReturnType<StreamsProcess['stats']>>): void {
    const open = tasks.reduce((sum, task) => sum + task.open, 0)
    const { late, deadLetters } = this.streams.topology.pipelines[0]!
    const into = (topic: string) => (this.tables.has(topic) ? ` (table ${this.tables.get(topic)})` : '')
    const out = this.outputs.map((topic) => `${formatCount(this.counts.get(topic) ?? 0)} ${topic}${into(topic)}`)
    const aside = [late, deadLetters].flatMap((topic) =>
      this.counts.has(topic) ? [`${formatCount(this.counts.get(topic)!)} ${topic}`] : [],
    )
    const waiting = open > 0 ? `; ${formatCount(open)} wait for the watermark` : ''
    console.error(`${formatCount(records)} records in; ${[...out, ...aside].join(', ')} out${waiting}`)
  }
}

/** What became of partitions that processes share on Kafka, in words. */
const MOVED = {
  taken: 'at work here',
  left: 'committed, and for others to take',
  lost: 'given to others meanwhile',
  fenced: 'claimed by another process',
}
const namesOf = (partitions: readonly number[]) => `${partitions.length === 1 ? 'partition' : 'partitions'} ${partitions.join(', ')}:`

function printNotice(notice: StreamsNotice, say: (text: string) => void, recovery: RecoveryProgress): void {
  switch (notice.type) {
    case 'recovering':
      recovery.heard(notice)
      return
    case 'partition-resumed':
    case 'sink-resumed':
    case 'import-resumed':
      say('it goes on')
      return
    case 'partition-waiting':
    case 'sink-waiting':
    case 'import-waiting':
      say(`nothing is lost, and it goes on by itself when this has passed:\n${describeError(notice.error, false)}`)
      return
    case 'restoring':
      say(restoring(notice))
      return
    case 'partitions':
      if (notice.is !== 'failed') say(`${namesOf(notice.partitions)} ${MOVED[notice.is]}`)
      return
    case 'reset':
      say(`what was computed as ${notice.before} has been reset: it goes on as ${notice.lineage}`)
      return
    case 'lane-restarted':
    case 'partition-overdue':
      say(describeError(notice.error, process.argv.includes('--verbose')))
      return
    case 'sink-failed':
      say(`writing into ${notice.table} failed, it is tried again: ${notice.error.message}`)
      return
    case 'sink-stopped':
      process.exitCode = EXIT_FAILURE
      say(`the sink into ${notice.table} has stopped:\n${describeError(notice.error, process.argv.includes('--verbose'))}`)
      return
    case 'partition-stopped':
      recovery.stopped(notice.partition)
      process.exitCode = EXIT_FAILURE
      say(`partition ${notice.partition} has stopped:\n${describeError(notice.error, process.argv.includes('--verbose'))}`)
  }
}
