// packmill dlq: dead letters: counted, looked at, and put in again after a fix. Owns what is printed; which were replayed is services/process's.
import { type Command, InvalidArgumentError } from 'commander'
import type { DeadLetter, DeadLetterList, Place, ReplayResult } from '../../services/process/dead-letters.ts'
import type { Stats } from '../../services/process/embedded.ts'
import { addDataOptions, addExamples, addJsonOption, type DataOptions, resolveConfig } from '../common-options.ts'
import { EXIT_FAILURE } from '../errors.ts'
import { interrupt } from '../interrupt.ts'
import { wholeNumber } from '../numbers.ts'
import { openFolder, withFolder } from '../open-folder.ts'
import { formatCount, formatTable } from '../print.ts'
import { requireData } from '../require-data.ts'
import { settle } from '../settle.ts'
import { waiting } from '../waiting.ts'

interface DlqOptions extends DataOptions {
  json?: boolean
  limit: number
  all?: boolean
  code?: string
}

export function dlq(command: Command): void {
  command.usage('list|show|replay [options]')
  const list = command.command('list').description('how many there are, by code, topic and hour, and the newest of them')
  const show = command.command('show').description('one dead letter: its error and its record')
  const replay = command.command('replay').description('append their records to the topic again, each once, after what failed was mended')
  list.option('--limit <n>', 'how many of the newest', wholeNumber(0, 100_000), 10).action(runList).exitOverride()
  show.argument('<partition:offset>', 'which, as in list', place).action(runShow).exitOverride()
  replay
    .argument('[partition:offset...]', 'which, as in list', (text: string, all: Place[] = []) => [...all, place(text)])
    .option('--all', 'all that were not replayed yet')
    .option('--code <code>', 'all with this code that were not replayed yet')
    .action(runReplay)
    .exitOverride()
  const lists = [
    ['packmill dlq list', 'counts, and the newest ten'],
    ['packmill dlq list --json --limit 1000', 'for programs'],
  ] as const
  const shows = [['packmill dlq show 3:17', 'the one at offset 17 of partition 3, with its record']] as const
  const replays = [
    ['packmill dlq replay 3:17', 'this one'],
    ['packmill dlq replay --code OPERATOR_THREW', 'all that an operator threw at'],
    ['packmill dlq replay --all --set clickstream.correctionMs=48h', 'all; those of the last two days are in time'],
  ] as const
  addExamples(addJsonOption(addDataOptions(list)), lists)
  addExamples(addJsonOption(addDataOptions(show)), shows)
  addExamples(addJsonOption(addDataOptions(replay)), replays)
  addExamples(command, [...lists, ...shows, ...replays])
}

function place(text: string): Place {
  const [, partition, offset] = /^(\d{1,5}):(\d{1,15})$/.exec(text) ?? []
  if (offset === undefined) throw new InvalidArgumentError('It must be a partition and an offset, as in 3:17.')
  return [Number(partition), Number(offset)]
}

async function runList(options: DlqOptions): Promise<void> {
  const { config } = await resolveConfig(options)
  requireData(config)
  const found = await withFolder(config, {}, (folder) => waiting('counting', folder.deadLetters({ ask: 'list', limit: options.limit })))
  console.log(options.json ? JSON.stringify(found, null, 2) : asText(found))
}

async function runShow(place: Place, options: DlqOptions): Promise<void> {
  const { config } = await resolveConfig(options)
  requireData(config)
  const found = await withFolder(config, {}, (folder) => folder.deadLetters({ ask: 'show', place }))
  console.log(options.json ? JSON.stringify({ ...found, record: parsed(found) }, null, 2) : asPage(found))
}

async function runReplay(places: Place[] | undefined, options: DlqOptions, command: Command): Promise<void> {
  const chosen = [places !== undefined && places.length > 0, options.all === true, options.code !== undefined].filter(Boolean).length
  if (chosen !== 1) command.error('error: name dead letters (as in 3:17), or say --all, or --code CODE: one of these')
  const { config } = await resolveConfig(options)
  requireData(config)
  const stopping = interrupt((name) => console.error(`${name}: finishing what is under way (again: stop at once)`))
  const folder = await openFolder(config, { stopping })
  let result: ReplayResult
  let before: Stats
  let after: Stats
  try {
    before = await folder.stats()
    const asked = folder.deadLetters({
      ask: 'replay',
      ...(places && places.length > 0 ? { places } : {}),
      ...(options.code ? { code: options.code } : {}),
    })
    result = await stopping.race(waiting('replaying', asked))
    await settle(folder, { snapshots: true, close: false, stopping })
    after = await folder.stats()
  } finally {
    await folder.stop(stopping.signal.aborted ? 'at once' : undefined)
  }
  const grown = (name: 'late' | 'deadLettered') =>
    after.tasks.reduce((sum, task) => sum + task[name], 0) - before.tasks.reduce((sum, task) => sum + task[name], 0)
  const outcome = { ...result, late: grown('late'), failedAgain: grown('deadLettered') }
  if (options.json) console.log(JSON.stringify(outcome, null, 2))
  else {
    const rows = [['replayed', formatCount(result.replayed)]]
    if (result.already > 0) rows.push(['replayed before', formatCount(result.already)])
    if (result.refused > 0) rows.push(['no events, not replayed', formatCount(result.refused)])
    rows.push(['late meanwhile', formatCount(outcome.late)], ['failed again meanwhile', formatCount(outcome.failedAgain)])
    console.log(formatTable(rows))
    for (const { partition, offset, code, message } of result.refusals) console.error(`  ${partition}:${offset}  ${code}: ${message}`)
  }
  if (outcome.late > 0)
    console.error('Late events change no session; they are in events_late. A larger clickstream.correctionMs, set before, lets them in.')
  // Nothing of what was asked for could be done.
  if (result.refused > 0 && result.replayed === 0) process.exitCode = EXIT_FAILURE
}

function asText({ groups, newest }: DeadLetterList): string {
  if (groups.length === 0) return 'There are no dead letters.'
  const counts = formatTable([
    ['code', 'topic', 'received in the hour', 'count', 'replayed'],
    ...groups.map(({ code, topic, hour, count, replayed }) => [
      code,
      topic,
      hour || '(unknown)',
      formatCount(count),
      formatCount(replayed),
    ]),
  ])
  if (newest.length === 0) return counts
  const rows = newest.map(({ partition, offset, code, message, replayed, wholeBytes }) => [
    `${partition}:${offset}`,
    replayed ? 'replayed' : '',
    code,
    `${oneLine(message)}${wholeBytes === undefined ? '' : ' (only its beginning was kept)'}`,
  ])
  return `${counts}\n\nnewest (packmill dlq show PARTITION:OFFSET)\n${formatTable(rows)}`
}

const oneLine = (text: string) => text.replace(/\s+/g, ' ').slice(0, 100)

function asPage(letter: DeadLetter): string {
  const { partition, offset, code, message, source, replayed, wholeBytes } = letter
  const record = parsed(letter)
  return [
    `dead letter ${partition}:${offset}${replayed ? ', replayed' : ''}`,
    `${code}: ${message}`,
    `record ${source.partition}:${source.offset} of ${source.topic}${wholeBytes === undefined ? '' : `, the beginning of ${formatCount(wholeBytes)} bytes`}`,
    typeof record === 'string' ? record : JSON.stringify(record, null, 2),
  ].join('\n')
}

/** As JSON where it is some. */
function parsed({ record }: DeadLetter): unknown {
  try {
    return JSON.parse(record) as unknown
  } catch {
    return record
  }
}
