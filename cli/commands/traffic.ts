// packmill traffic: generated events as JSON lines, to a file or to stdout. services/traffic makes them; here they meet options and disks.
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { traffic as generate, type TrafficOptions, trafficDefaults } from '../../services/traffic/traffic.ts'
import { addExamples, addJsonOption } from '../common-options.ts'
import { formatCount, formatTable } from '../print.ts'
import { type Progress, progress } from '../progress.ts'

const CHUNK_EVENTS = 1_000

interface CommandOptions extends Pick<TrafficOptions, 'events' | 'orgs' | 'users' | 'seed' | 'duplicates' | 'disorder' | 'late'> {
  start: number
  out: string
  json?: boolean
}

const whole = (minimum: number, maximum: number) => (text: string) => {
  const value = Number(text.replaceAll('_', ''))
  if (text === '' || !Number.isSafeInteger(value) || value < minimum || value > maximum) {
    throw new InvalidArgumentError(`It must be a whole number from ${minimum} to ${maximum}.`)
  }
  return value
}

const share = (maximum: number) => (text: string) => {
  const value = Number(text)
  if (text === '' || !(value >= 0 && value <= maximum)) throw new InvalidArgumentError(`It must be a share from 0 to ${maximum}.`)
  return value
}

const time = (text: string) => {
  const value = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  if (Number.isNaN(new Date(value).getTime())) throw new InvalidArgumentError('It must be a time such as 2026-03-02T07:00:00Z.')
  return value
}

export function traffic(command: Command): void {
  const { events, orgs, users, seed, startMs, duplicates, disorder, late } = trafficDefaults
  command
    .requiredOption('--out <file>', 'where to: a file (compressed if it ends in .gz), or - for stdout')
    .option('--events <n>', 'lines in all, duplicates included', whole(1, 1e12), events)
    .option('--orgs <n>', 'organisations', whole(1, 1_000), orgs)
    .option('--users <n>', 'users of all organisations together', whole(1, 10_000_000), users)
    .option('--seed <n>', 'another seed, other events', whole(-(2 ** 31), 2 ** 32 - 1), seed)
    .addOption(
      new Option('--start <time>', 'event time of the beginning').argParser(time).default(startMs, new Date(startMs).toISOString()),
    )
    .option('--duplicates <share>', 'events that come twice', share(0.4), duplicates)
    .option('--disorder <share>', 'events that come behind younger ones', share(0.4), disorder)
    .option('--late <share>', 'events that come too late to be counted', share(0.1), late)
    .action(run)
  addExamples(addJsonOption(command), [
    ['packmill traffic --events 1000000 --out events.jsonl.gz', 'a million events, compressed'],
    ['packmill traffic --events 10 --out - | jq .type', 'look at a few'],
    ['packmill traffic --seed 7 --orgs 3 --users 500 --out small.jsonl', 'a small world'],
  ])
}

async function run({ out, json, start, ...options }: CommandOptions): Promise<void> {
  const generator = generate({ ...options, startMs: start })
  const shown = progress({ label: out === '-' ? 'traffic' : `traffic ${out}`, unit: 'events', total: options.events })
  const lines = Readable.from(chunks(generator, shown), { objectMode: false, highWaterMark: 1 << 20 })
  if (out === '-') await pipeline(lines, process.stdout, { end: false })
  else if (out.endsWith('.gz')) await pipeline(lines, createGzip({ level: 1 }), createWriteStream(out))
  else await pipeline(lines, createWriteStream(out))
  shown.finish(generator.truth.lines)
  if (out === '-') return
  if (json) console.log(JSON.stringify({ out, ...generator.truth }))
  else console.log(formatTable(Object.entries(generator.truth).map(([name, count]) => [name, formatCount(count as number)])))
}

function* chunks(generator: ReturnType<typeof generate>, shown: Progress): Generator<Uint8Array> {
  for (let chunk = generator.nextChunk(CHUNK_EVENTS); chunk; chunk = generator.nextChunk(CHUNK_EVENTS)) {
    yield chunk
    shown.update(generator.truth.lines)
  }
}
