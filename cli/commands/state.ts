// packmill state: what is kept between events, key by key. Owns what is printed; asks the process that is at work, or opens the state of a stopped folder.
// Either way it is as of the newest finished checkpoint of each partition, and says so.
import type { Command } from 'commander'
import type { Config } from '../../config/index.ts'
import type { StateAnswer, StateKey, StateRequest } from '../../services/process/state-view.ts'
import { addDataOptions, addExamples, addJsonOption, type DataOptions, resolveConfig } from '../common-options.ts'
import { wholeNumber } from '../numbers.ts'
import { formatCount, formatTable } from '../print.ts'
import { requireData } from '../require-data.ts'
import { waiting } from '../waiting.ts'

interface StateOptions extends DataOptions {
  partition?: number
  org?: string
  prefix?: string
  limit: number
  count?: boolean
  events: number
  json?: boolean
}

/** Answers, and whether they come from the process that is at work. */
interface Seen {
  pid: number | undefined
  answers: StateAnswer[]
}

export function state(command: Command): void {
  command.usage('ls|get [options]')
  const ls = command.command('ls').description('the keys that have state: users, or the keys of a topology of your own')
  const get = command.command('get').description("one user's state: sessions, operators' fields, timers, events; as JSON")
  ls.option('--partition <n>', 'only of this partition', wholeNumber(0, 1023))
    .option('--org <id>', 'only of this organisation')
    .option('--prefix <text>', 'only users (u:…, a:…), or keys, that begin so')
    .option('--limit <n>', 'how many at most, of each partition', wholeNumber(0, 1_000_000), 20)
    .option('--count', 'count all that match; beside a running process its lanes stand still for about a second per million keys')
    .action(runLs)
    .exitOverride()
  get
    .argument(
      '<key...>',
      'organisation, product and user (u:… or a:…, as in the tables; without: u:); or the key of a topology of your own',
    )
    .option('--events <n>', 'how many events of each session, the latest', wholeNumber(0, 10_000), 10)
    .action(runGet)
    .exitOverride()
  const lists = [
    ['packmill state ls', 'the first 20 of each partition'],
    ['packmill state ls --org acme --prefix u:7 --limit 100', 'users of acme whose id begins with 7'],
    ['packmill state ls --count --limit 0', 'how many keys each partition has'],
    ['packmill state ls --partition 3 --json', 'for programs'],
  ] as const
  const gets = [
    ['packmill state get acme shop u-7', 'the user u-7, signed in; anonymous ones are a:…'],
    ['packmill state get acme shop a:9f3 --events 0', 'without the events'],
    ['packmill state get some-key --data ./.packmill/run/words', 'a key of a topology of your own'],
  ] as const
  addExamples(addJsonOption(addDataOptions(ls)), lists)
  addExamples(addJsonOption(addDataOptions(get)), gets)
  addExamples(command, [...lists, ...gets])
}

async function runLs(options: StateOptions): Promise<void> {
  const { config } = await resolveConfig(options)
  const { partition, org, prefix, limit, count = false } = options
  const seen = await ask(config, { ask: 'list', org, prefix, limit, count }, partition === undefined ? undefined : [partition])
  if (partition !== undefined && seen.answers.length === 0) throw new NoPartitionError(partition, config.data)
  console.log(options.json ? JSON.stringify(seen.answers, null, 2) : asTable(seen, config))
}

async function runGet(words: string[], options: StateOptions, command: Command): Promise<void> {
  const { config } = await resolveConfig(options)
  requireData(config)
  const { folderMeta } = await import('../../services/process/data-folder.ts')
  const { topology, partitions } = folderMeta(config.data)
  const isOwn = topology !== undefined
  if (words.length !== (isOwn ? 1 : 3))
    command.error(`error: name ${isOwn ? `one key of topology ${topology}` : 'an organisation, a product and a user, as in acme shop u-7'}`)
  const [org, product, user] = words as [string, string, string]
  const key = isOwn ? org : /^[ua]:/.test(user) ? user : `u:${user}`
  const at = isOwn ? undefined : [await partitionOf(org, product, partitions)]
  const request: StateRequest = { ask: 'get', events: options.events, key, ...(isOwn ? {} : { org, product }) }
  const { answers } = await ask(config, request, at)
  const found = answers.filter(({ value }) => value !== undefined)
  if (found.length === 0) throw new NoStateError(isOwn ? key : `${org}/${product}/${key}`, answers)
  // A key may have state in several steps of a topology of one's own.
  const values = found.map(({ task, partition, checkpoint, value }) => ({ task, partition, checkpoint, ...value }))
  console.log(JSON.stringify(isOwn && values.length > 1 ? values : values[0], null, 2))
}

async function ask(config: Config, request: StateRequest, partitions?: readonly number[]): Promise<Seen> {
  requireData(config)
  const { aloneOrThrough } = await import('../../services/process/local.ts')
  return waiting(
    'looking',
    aloneOrThrough<Seen>(
      config.data,
      async () => ({ pid: undefined, answers: await stopped(config, request, partitions) }),
      async (guest) => ({ pid: guest.owner!.pid, answers: await guest.state(request, partitions) }),
    ),
  )
}

async function stopped(config: Config, request: StateRequest, partitions: readonly number[] | undefined): Promise<StateAnswer[]> {
  const [{ stoppedState }, { computedIn, folderMeta }, { recordForm, sessionForm }, { clickstreamSettings }, { clickstream }] =
    await Promise.all([
      import('../../services/process/stopped-state.ts'),
      import('../../services/process/data-folder.ts'),
      import('../../services/process/state-view.ts'),
      import('../../services/process/embedded.ts'),
      import('../../topologies/clickstream.ts'),
    ])
  const meta = folderMeta(config.data)
  const form = meta.topology === undefined ? sessionForm(clickstream(clickstreamSettings(config))) : recordForm
  return stoppedState({ data: config.data, lineage: computedIn(meta) }, form, request, partitions)
}

/** Of the organisation's product, as the door chooses it. */
async function partitionOf(org: string, product: string, partitions: number): Promise<number> {
  const { kafkaPartition } = await import('../../model/hash.ts')
  return kafkaPartition(Buffer.from(`${org}:${product}`), partitions)
}

function asTable({ pid, answers }: Seen, { data }: Config): string {
  const lines = [pid === undefined ? `state in ${data}, which nobody is at work in` : `state in ${data}, through process ${pid}`]
  for (const { task, partition, checkpoint, keys, count } of answers) {
    const as = checkpoint
      ? `as of the checkpoint of epoch ${formatCount(checkpoint.epoch)}, input offset ${formatCount(checkpoint.to)}`
      : 'no checkpoint yet'
    lines.push('', `${task} ${partition}: ${as}${count === undefined ? '' : `; ${formatCount(count)} keys`}`)
    if (keys.length > 0) lines.push(formatTable(keys.map(keyCells)))
  }
  return lines.join('\n')
}

const keyCells = ({ org, product, key, dueMs, endsMs }: StateKey) => [
  ...(org === undefined ? [] : [`  ${org}`, product ?? '']),
  org === undefined ? `  ${key}` : key,
  dueMs === undefined ? 'no timer' : `timer ${new Date(dueMs).toISOString()}`,
  endsMs === undefined ? '' : `ends ${new Date(endsMs).toISOString()}`,
]

class NoStateError extends Error {
  readonly code = 'NO_STATE'
  readonly advice =
    '`packmill state ls` shows who has some. A user whose sessions are closed and can no longer be corrected has none, nor one who came after the checkpoint.'
  constructor(key: string, answers: readonly StateAnswer[]) {
    const places = answers.map(
      ({ partition, checkpoint }) => `partition ${partition}${checkpoint ? `, checkpoint ${checkpoint.epoch}` : ''}`,
    )
    super(`nothing is kept for ${key}${places.length > 0 ? ` (${places.join('; ')})` : ''}`)
  }
}

class NoPartitionError extends Error {
  readonly code = 'NO_PARTITION'
  readonly advice = '`packmill state ls` shows which there are.'
  constructor(partition: number, folder: string) {
    super(`there is no state of a partition ${partition} in ${folder}`)
  }
}
