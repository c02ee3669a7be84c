// packmill traffic: generated events as JSON lines: to a file, to stdout, or into the data folder. services/traffic makes them; here they meet
// options, disks and the process.
import { closeSync, createWriteStream, openSync, writeSync } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { TS_MAX, TS_MIN } from '../../model/event.ts'
import type { PlantedThing } from '../../services/traffic/story.ts'
import { traffic as generate, type Traffic, type TrafficOptions, trafficDefaults } from '../../services/traffic/traffic.ts'
import { addDataOptions, addExamples, addJsonOption, type DataOptions, resolveConfig } from '../common-options.ts'
import { interrupt } from '../interrupt.ts'
import { share, wholeNumber } from '../numbers.ts'
import { openFolder } from '../open-folder.ts'
import { paced } from '../paced.ts'
import { formatCount, formatTable } from '../print.ts'
import { progress } from '../progress.ts'
import { isSameFile, SameFileError } from '../same-file.ts'
import { settle } from '../settle.ts'
import { instantOf } from '../times.ts'

interface CommandOptions
  extends DataOptions,
    Pick<TrafficOptions, 'events' | 'orgs' | 'users' | 'seed' | 'duplicates' | 'disorder' | 'late'> {
  start: number
  out?: string
  rate?: number
  json?: boolean
  truth?: string
}

const TRUTH_LINES = 1000

const time = (text: string) => {
  const value = text === 'now' ? Date.now() : instantOf(text, ', or now')
  if (!(value >= TS_MIN && value < TS_MAX))
    throw new InvalidArgumentError('It must be a time such as 2026-03-02T07:00:00Z, from 1970 on and before 2200, or now.')
  return value
}

export function traffic(command: Command): void {
  const { events, orgs, users, seed, startMs, duplicates, disorder, late } = trafficDefaults
  command
    .option('--out <file>', 'to a file (compressed if it ends in .gz), or - for stdout, in place of the data folder')
    .option('--truth <file>', 'what was put into the events on purpose, as JSON lines: rage, backtracks, tasks, dead clicks, visits')
    .option('--rate <n>', 'events per second (default: as fast as they are taken)', wholeNumber(1, 1e9))
    .option('--events <n>', 'lines in all, duplicates included', wholeNumber(1, 1e12), events)
    .option('--orgs <n>', 'organisations', wholeNumber(1, 1_000), orgs)
    .option('--users <n>', 'users of all organisations together', wholeNumber(1, 10_000_000), users)
    .option('--seed <n>', 'another seed, other events', wholeNumber(-(2 ** 31), 2 ** 32 - 1), seed)
    .addOption(
      new Option('--start <time>', 'event time of the beginning').argParser(time).default(startMs, new Date(startMs).toISOString()),
    )
    .option('--duplicates <share>', 'events that come twice', share(0.4), duplicates)
    .option('--disorder <share>', 'events that come behind younger ones', share(0.4), disorder)
    .option('--late <share>', 'events that come too late to be counted', share(0.1), late)
    .action(run)
  addExamples(addJsonOption(addDataOptions(command)), [
    ['packmill traffic --start now --rate 500', 'into the data folder, beside `packmill up` through it'],
    ['packmill traffic --events 1000000 --out events.jsonl.gz', 'a million events, compressed'],
    ['packmill traffic --events 10 --out - | jq .type', 'look at a few'],
    ['packmill traffic --truth truth.jsonl --out events.jsonl', 'events, and what should be found in them'],
    ['packmill traffic --seed 7 --orgs 3 --users 500 --out small.jsonl', 'a small world'],
  ])
}

async function run({ truth, ...options }: CommandOptions, command: Command): Promise<void> {
  if (truth === undefined) return make(options, command)
  if (options.out !== undefined && options.out !== '-' && isSameFile(options.out, truth))
    throw new SameFileError(`--out and --truth are one file: ${truth}`, 'Name another file for one of them.')
  // Written as it comes, by its own descriptor: it is small beside the events.
  const file = openSync(truth, 'w')
  const list: string[] = []
  const flush = () => writeSync(file, list.splice(0).join(''))
  try {
    await make(options, command, (thing) => {
      if (list.push(`${JSON.stringify(thing)}\n`) === TRUTH_LINES) flush()
    })
  } finally {
    flush()
    closeSync(file)
  }
}

async function make(
  { out, rate, json, start, data, set, config, ...options }: Omit<CommandOptions, 'truth'>,
  command: Command,
  onPlanted?: (thing: PlantedThing) => void,
): Promise<void> {
  const generator = generate({ ...options, startMs: start }, onPlanted)
  if (out === undefined)
    return play(generator, { data, set, config, rate, json, events: options.events, name: JSON.stringify({ ...options, start }) })
  if (data !== undefined || set || config !== undefined)
    command.error('error: --out goes to a file: --data, --set and --config have no meaning then')
  const shown = progress({ label: out === '-' ? 'traffic' : `traffic ${out}`, unit: 'events', total: options.events })
  const chunks = async function* () {
    for await (const chunk of paced(generator, rate)) {
      yield chunk
      shown.update(generator.truth.lines)
    }
  }
  const lines = Readable.from(chunks(), { objectMode: false, highWaterMark: 1 << 20 })
  if (out === '-') await pipeline(lines, process.stdout, { end: false })
  else if (out.endsWith('.gz')) await pipeline(lines, createGzip({ level: 1 }), createWriteStream(out))
  else await pipeline(lines, createWriteStream(out))
  shown.finish(generator.truth.lines)
  if (out === '-') return
  if (json) console.log(JSON.stringify({ out, ...generator.truth }))
  else console.log(formatTable(Object.entries(generator.truth).map(([name, count]) => [name, formatCount(count as number)])))
}

/** Into the data folder, by the same door as a file. The same options again go on where they stopped, and add nothing once all is in. */
async function play(
  generator: Traffic,
  { rate, json, name, events, ...where }: DataOptions & { rate?: number; json?: boolean; name: string; events: number },
): Promise<void> {
  const { config } = await resolveConfig(where)
  const stopping = interrupt((signal) => console.error(`${signal}: finishing what is under way (again: stop at once)`))
  const folder = await openFolder(config, { stopping })
  const shown = progress({ label: 'traffic', unit: 'events', total: events })
  let before: number | undefined
  let accepted = 0
  let rejected = 0
  let reason = ''
  let failure: unknown
  try {
    await folder.import(stopping.stream(paced(generator, rate)), {
      name: `traffic ${name}`,
      // A generator makes events; what is rejected all the same is told of, as an import would.
      onReject: (_line, _bytes, { code, message }) => {
        if (rejected++ === 0) reason = `${code}: ${message}`
      },
      onProgress: (now) => {
        before ??= now.accepted
        accepted = now.accepted
        shown.update(accepted)
      },
    })
    shown.finish(accepted)
    await settle(folder, { snapshots: true, close: false, stopping })
  } catch (error) {
    failure = error
  } finally {
    await folder.stop(stopping.signal.aborted ? 'at once' : undefined).catch((error: unknown) => {
      failure ??= error
    })
  }
  const added = accepted - (before ?? 0)
  if (json) console.log(JSON.stringify({ data: config.data, added, rejected, before: before ?? 0 }))
  else {
    const beside = before ? `, beside ${formatCount(before)} of an earlier run` : ''
    console.log(`${formatCount(added)} events into ${config.data}${rejected > 0 ? `, ${formatCount(rejected)} rejected` : ''}${beside}`)
  }
  if (rejected > 0) console.error(`${formatCount(rejected)} lines were rejected at the door, the first with ${reason}`)
  if (added === 0 && before) console.error('The same options make the same events, which count once. Others: --seed, --start.')
  if (failure !== undefined) throw failure
}
