// packmill topology replay and reset: what came in computed anew, beside what is live or in its place. Owns what is asked and printed.
import { type Command, InvalidArgumentError } from 'commander'
import type { Config } from '../config/index.ts'
import type { KafkaResetPlan } from '../services/process/kafka-reset.ts'
import type { ResetPlan } from '../services/process/reset.ts'
import { addDataOptions, addExamples, addJsonOption, type DataOptions, resolveConfig } from './common-options.ts'
import { interrupt } from './interrupt.ts'
import { openFolder } from './open-folder.ts'
import { formatBytes, formatCount, formatTable } from './print.ts'
import { progress } from './progress.ts'
import { requireData } from './require-data.ts'
import { settle } from './settle.ts'
import { instantOf } from './times.ts'

type Examples = readonly (readonly [string, string])[]

interface ReplayOptions extends DataOptions {
  from: number
  lineage: string
  json?: boolean
}

interface ResetOptions extends DataOptions {
  lineage?: string
  yes?: boolean
  json?: boolean
}

/** Adds both to `topology`; gives their examples. `known`: names of topologies. */
export function addLineageCommands(topology: Command, known: readonly string[]): Examples {
  const replay = topology
    .command('replay')
    .description('compute anew what was received since a time, as another lineage: live output is not touched')
  replay
    .argument('<name>', `which: ${known.join(', ')}`, (name) => nameOf(name, known))
    .requiredOption('--from <time>', 'events received then or later: a day, a time (UTC), or earliest', since)
    .requiredOption('--lineage <name>', 'what it is called; its folder is lineages/<name> in the data folder')
    .action(runReplay)
    .exitOverride()
  const reset = topology
    .command('reset')
    .description('delete what was computed, live or of a lineage, and say first what that is; what came in stays')
  reset
    .argument('<name>', `which: ${known.join(', ')}`, (name) => nameOf(name, known))
    .option('--lineage <name>', 'this lineage, and not what is live')
    .option('--yes', 'delete it; without, it is only listed')
    .action(runReset)
    .exitOverride()
  const replays = [
    [
      'packmill topology replay clickstream --from earliest --lineage gap20 --set clickstream.gapMs=20m',
      'what another setting would have made of it',
    ],
    ['packmill topology replay clickstream --from 2026-03-02 --lineage again', 'of what was received since that day'],
    ['packmill topology replay clickstream --from earliest --lineage wide --set log.partitions=16', 'in more partitions'],
  ] as const
  const resets = [
    ['packmill topology reset clickstream', 'what a reset would delete'],
    ['packmill topology reset clickstream --yes', 'delete it; the next start computes it anew from the log, or from events.raw on Kafka'],
    ['packmill topology reset clickstream --lineage gap20 --yes', 'delete a replay'],
  ] as const
  addExamples(addJsonOption(addDataOptions(replay)), replays)
  addExamples(addJsonOption(addDataOptions(reset)), resets)
  return [...replays, ...resets]
}

function nameOf(name: string, known: readonly string[]): string {
  if (known.includes(name)) return name
  throw new InvalidArgumentError(
    `There is ${known.join(', ')}; one of your own is run again in a new folder (packmill run FILE --data DIR).`,
  )
}

/** -Infinity: from the earliest on. */
function since(text: string): number {
  if (text === 'earliest') return Number.NEGATIVE_INFINITY
  return instantOf(text, ', or earliest')
}

async function runReplay(_name: string, options: ReplayOptions): Promise<void> {
  const { config, origins } = await resolveConfig(options)
  requireData(config)
  const [{ beginLineage, replayable }, { folderMeta }] = await Promise.all([
    import('../services/process/lineages.ts'),
    import('../services/process/data-folder.ts'),
  ])
  const { partitions: own, topology } = folderMeta(config.data)
  if (topology !== undefined) throw new OwnTopologyError(topology)
  const partitions = origins.get('log.partitions') === 'default' ? own : config.log.partitions
  const { lineage, from: sinceMs } = options
  const found = await advised(replayable(config.data, config, lineage))
  const data = beginLineage(config.data, { name: lineage, sinceMs, partitions, settings: config.clickstream }, found)
  const stopping = interrupt((name) => console.error(`${name}: finishing what is under way (again: stop at once)`))
  const folder = await openFolder({ ...config, data, log: { ...config.log, partitions } }, { alone: true, stopping })
  try {
    const shown = progress({ label: 'replay', unit: 'events', total: found.records })
    const result = await stopping.race(advised(folder.rebuild!(config.data, (records) => shown.update(records), sinceMs)))
    shown.finish(result.records)
    await settle(folder, { snapshots: true, close: false, stopping })
    const { records, before, undated } = result
    if (options.json) console.log(JSON.stringify({ lineage, data, partitions, records, before, ...(undated > 0 && { undated }) }, null, 2))
    else {
      const earlier = before > 0 ? `, ${formatCount(before)} by an earlier run` : ''
      console.log(`${formatCount(records)} events computed anew as lineage ${lineage}${earlier}. Use it with --data ${data}`)
      if (undated > 0)
        console.log(`${formatCount(undated)} of them do not say when they were received (receivedAt): such events are in every replay.`)
      if (Number.isFinite(sinceMs)) console.log('Sessions that had begun before that time are in it from their first event since then on.')
    }
  } finally {
    await folder.stop(stopping.signal.aborted ? 'at once' : undefined)
  }
}

async function runReset(name: string, options: ResetOptions): Promise<void> {
  const { config } = await resolveConfig(options)
  requireData(config)
  const [{ knownLineage }, { folderMeta }, { isOnKafka }] = await Promise.all([
    import('../services/process/lineages.ts'),
    import('../services/process/data-folder.ts'),
    import('../services/process/stopped-source.ts'),
  ])
  const meta = folderMeta(config.data)
  if (meta.topology !== undefined) throw new OwnTopologyError(meta.topology)
  const lineage = options.lineage === undefined ? undefined : knownLineage(config.data, options.lineage)
  const resets = await (isOnKafka(config.data, meta, config) ? kafkaReset : embeddedReset)(config, name, lineage)
  const plan = await advised(resets.plan())
  const { yes = false, json } = options
  if (!json) console.log(asText(plan, yes))
  const left = yes ? await advised(resets.reset()) : []
  if (json) console.log(JSON.stringify({ ...plan, deleted: yes, ...(left.length > 0 && { left }) }, null, 2))
  else if (yes) {
    for (const line of left) console.log(`\nCould not be deleted, and is in nobody's way: ${line}`)
    console.log(lineage === undefined ? '\nDone. The next start (packmill up) computes it anew.' : '\nDone.')
  } else {
    console.log('\nNothing was deleted: say --yes.')
    process.exitCode = 1
  }
}

/** Of what is live, or of the lineage with this folder. `reset` resolves with what could not be deleted and is in nobody's way. */
interface Reset {
  plan(): Promise<ResetPlan | KafkaResetPlan>
  reset(): Promise<string[]>
}

async function embeddedReset(config: Config, _name: string, lineage: string | undefined): Promise<Reset> {
  const { planLineageReset, planReset, resetFolder, resetLineage } = await import('../services/process/reset.ts')
  if (lineage === undefined)
    return {
      plan: () => planReset(config.data),
      async reset() {
        await resetFolder(config.data, await clickstreamOf(config))
        return []
      },
    }
  return {
    plan: async () => planLineageReset(lineage),
    async reset() {
      resetLineage(lineage)
      return []
    },
  }
}

async function kafkaReset(config: Config, name: string, lineage: string | undefined): Promise<Reset> {
  const { planKafkaLineageReset, planKafkaReset, resetLineageOnKafka, resetOnKafka } = await import('../services/process/kafka-reset.ts')
  if (lineage === undefined) return { plan: () => planKafkaReset(config, name), reset: async () => (await resetOnKafka(config, name)).left }
  return {
    plan: () => planKafkaLineageReset(config, name, lineage),
    reset: async () => (await resetLineageOnKafka(config, name, lineage)).left,
  }
}

async function clickstreamOf(config: Config) {
  const [{ clickstreamSettings }, { clickstream }] = await Promise.all([
    import('../services/process/embedded.ts'),
    import('../topologies/clickstream.ts'),
  ])
  return clickstream(clickstreamSettings(config))
}

function asText(plan: ResetPlan | KafkaResetPlan, yes: boolean): string {
  const { deletes, events, missing } = plan
  const kafka = 'topics' in plan ? plan : undefined
  const topics = (kafka?.topics ?? []).map(({ topic, how, partitions, records }) => [
    `  ${topic}`,
    `${formatCount(records)} records`,
    how === 'emptied'
      ? `${partitions} partitions are emptied; the topic stays, its offsets go on`
      : `the topic, of ${partitions} partitions`,
  ])
  const groups = (kafka?.groups ?? []).map((group) => [`  ${group}`, '', 'consumer group'])
  const parts = deletes.map(({ path, what, bytes }) => [`  ${path}`, formatBytes(bytes), what])
  const lines = [yes ? 'deletes:' : 'would delete:', formatTable([...topics, ...groups, ...parts])]
  if (kafka?.next) {
    lines.push(
      `What came in, and what is known of imports, stays. What is computed now is ${kafka.computed}, what the next start computes ${kafka.next}.`,
    )
    lines.push('Other data folders on these topics forget their tables at their next start, and fill them anew.')
  }
  if (events > 0) lines.push(`${formatCount(events)} events are in the log, and are computed anew.`)
  if (missing > 0) {
    const from = kafka?.completeFromMs === undefined ? '' : ` All are there from ${new Date(kafka.completeFromMs).toISOString()} on.`
    const setting = kafka ? 'retention of events.raw' : 'log.retentionMs'
    lines.push(
      `${formatCount(missing)} older events are not in the log any more (${setting}): what the tables have of them is lost.${from}`,
    )
  }
  return lines.join('\n')
}

/** A folder that is in use is to be stopped first: neither works beside a process. */
async function advised<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if ((error as { code?: string }).code !== 'DATA_LOCKED') throw error
    throw Object.assign(new Error((error as Error).message, { cause: error }), {
      code: 'DATA_LOCKED',
      advice: 'Stop that process first (Ctrl-C, or SIGTERM): the log must stand still meanwhile. Start it again afterwards.',
    })
  }
}

class OwnTopologyError extends Error {
  readonly code = 'DATA_TOPOLOGY'
  readonly advice =
    'Run it again from its input in a new folder: packmill run FILE --data DIR; on Kafka with another kafka.topicPrefix, too.'
  constructor(topology: string) {
    super(`this is the folder of topology ${topology}, which somebody wrote, and not of the product`)
  }
}
