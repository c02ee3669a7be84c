// packmill upgrade: what a person decides when another version, or other settings, meet a data folder whose last epochs they compute otherwise:
// let the old ones finish, keep what they published, or compute everything anew in another folder. Owns what is printed.
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { addDataOptions, addExamples, addJsonOption, type DataOptions, resolveConfig } from '../common-options.ts'
import { interrupt } from '../interrupt.ts'
import { formatCount } from '../print.ts'
import { progress } from '../progress.ts'
import { requireData } from '../require-data.ts'
import { settle } from '../settle.ts'
import { topologyData } from '../topology-data.ts'
import { version } from '../version.ts'

interface UpgradeOptions extends DataOptions {
  json?: boolean
  all?: boolean
  into?: string
  /** File of a topology of one's own, whose folder it is. */
  topology?: string
}

export function upgrade(command: Command): void {
  command.usage('drain|accept|rebuild [options]')
  const drain = command
    .command('drain')
    .description('with the version and settings of before: recover, checkpoint, finish writes, stop; no new event is read')
  const accept = command
    .command('accept')
    .description('with the new ones: keep what was published from an epoch on, though this version computes it otherwise, and go on')
  const rebuild = command.command('rebuild').description('with the new ones: compute all output anew from the log, in another folder')
  for (const one of [drain, accept]) one.option('--topology <file>', 'a topology of your own, as `packmill run` takes it')
  drain.action(runDrain).exitOverride()
  accept
    .argument('[partition:epoch...]', 'as UPGRADE_DIVERGED names them', (text: string, all: Place[] = []) => [...all, place(text)])
    .option('--all', 'in every partition, from its last checkpoint on')
    .action(runAccept)
    .exitOverride()
  rebuild.requiredOption('--into <dir>', 'the new data folder').action(runRebuild).exitOverride()
  const drains = [
    ['packmill upgrade drain', 'with the old version, before the new one is started'],
    ['packmill upgrade drain --topology ./mine.ts', 'with the file as it was: before the changed one is run'],
  ] as const
  const accepts = [
    ['packmill upgrade accept 3:44', 'partition 3, from epoch 44 on; what comes before must still be the same'],
    ['packmill upgrade accept --all', 'whatever differs'],
    ['packmill upgrade accept --all --topology ./mine.ts', 'with the file as it is now'],
  ] as const
  const rebuilds = [
    ['packmill upgrade rebuild --into ./new', 'the old folder stays as it is; again: goes on where it was broken off'],
    ['packmill upgrade rebuild --into ./new --set clickstream.gapMs=20m', 'other definitions for all that was ever taken'],
  ] as const
  addExamples(addJsonOption(addDataOptions(drain)), drains)
  addExamples(addJsonOption(addDataOptions(accept)), accepts)
  addExamples(addJsonOption(addDataOptions(rebuild)), rebuilds)
  addExamples(command, [...drains, ...accepts, ...rebuilds])
}

type Place = readonly [partition: number, epoch: number]

function place(text: string): Place {
  const [, partition, epoch] = /^(\d{1,5}):(\d{1,15})$/.exec(text) ?? []
  if (epoch === undefined) throw new InvalidArgumentError('It must be a partition and an epoch, as in 3:44.')
  return [Number(partition), Number(epoch)]
}

async function runDrain(options: UpgradeOptions): Promise<void> {
  await withUpgrade(options, { recoverOnly: true })
  done(
    options,
    { drained: true },
    'Drained: every partition has a checkpoint of its last epoch, and no write is unfinished. Start the new version.',
  )
}

async function runAccept(places: Place[] | undefined, options: UpgradeOptions, command: Command): Promise<void> {
  const isNamed = places !== undefined && places.length > 0
  if (isNamed === (options.all === true)) command.error('error: name partitions and epochs (as in 3:44), or say --all: one of these')
  await withUpgrade(options, { accept: isNamed ? places : 'all' })
  done(
    options,
    { accepted: isNamed ? places : 'all' },
    'Accepted, recorded in the log, and checkpointed: what was published stays, this version goes on from there.',
  )
}

/** Opens the folder so, has everything in the log processed unless it is only recovered, and stops it. What stops a partition fails it. */
async function withUpgrade(options: UpgradeOptions, how: How): Promise<void> {
  const failures: Error[] = []
  const onNotice = (notice: { type: string; error?: Error }) => {
    if (notice.type === 'partition-stopped' || notice.type === 'sink-stopped') failures.push(notice.error!)
  }
  const opened = await (options.topology === undefined ? openProduct : openTopology)(options, how, onNotice)
  try {
    if (!how.recoverOnly && failures.length === 0) await opened.settle()
  } catch (error) {
    failures.push(error as Error)
  }
  await opened.stop().catch((error: unknown) => failures.push(error as Error))
  if (failures.length > 0) throw failures[0]
}

type How = { accept?: 'all' | Place[]; recoverOnly?: boolean }
type Opened = { settle(): Promise<void>; stop(): Promise<void> }
type OnNotice = (notice: { type: string; error?: Error }) => void

async function openProduct(options: UpgradeOptions, upgrade: How, onNotice: OnNotice): Promise<Opened> {
  const { config } = await resolveConfig(options)
  requireData(config)
  const { openEmbedded } = await import('../../services/process/embedded.ts')
  const embedded = await openEmbedded({ config, version: version(), live: false, upgrade, onNotice })
  return { settle: () => embedded.settle({ snapshots: false, close: false }), stop: () => embedded.stop() }
}

async function openTopology(options: UpgradeOptions, upgrade: How, onNotice: OnNotice): Promise<Opened> {
  const loaded = await resolveConfig(options)
  const { config, origins } = loaded
  const [{ loadTopology }, { openStreams }] = await Promise.all([
    import('../../services/streams/load-topology.ts'),
    import('../../services/streams/open-streams.ts'),
  ])
  const file = options.topology!
  const topology = await loadTopology(file)
  const data = topologyData(loaded, topology)
  requireData({ data })
  const asked = { partitions: origins.get('log.partitions') !== 'default', lanes: origins.get('engine.lanes') !== 'default' }
  const given = { file, topology, config: { ...config, data }, asked, version: version(), live: false, upgrade, onNotice }
  const streams = await openStreams(given)
  streams.run()
  return { settle: () => streams.settle({ close: false }), stop: () => streams.stop() }
}

async function runRebuild(options: UpgradeOptions & { into: string }): Promise<void> {
  const { config } = await resolveConfig(options)
  requireData(config)
  const into = resolve(options.into)
  if (into === config.data) throw new SameFolderError(into)
  const [{ openFolder }, { dataFolder }, { beginRebuild, endRebuild }] = await Promise.all([
    import('../open-folder.ts'),
    import('../../services/process/data-folder.ts'),
    import('../../services/process/rebuild-folder.ts'),
  ])
  // The new one has as many partitions.
  if (config.kafka.brokers.length > 0) throw new RebuildOnKafkaError()
  dataFolder(config.data, config.log.partitions)
  beginRebuild(config.data, into, config.log.partitions, config.clickstream)
  const stopping = interrupt((name) => console.error(`${name}: finishing what is under way (again: stop at once)`))
  const folder = await openFolder({ ...config, data: into }, { alone: true, stopping })
  try {
    const shown = progress({ label: 'copy', unit: 'events' })
    const result = await stopping.race(folder.rebuild!(config.data, (records) => shown.update(records)))
    shown.finish(result.records)
    await settle(folder, { snapshots: true, close: false, stopping })
    endRebuild(into)
    const { records, before, missing } = result
    const lost =
      missing > 0
        ? ` ${formatCount(missing)} older ones are not in the old log any more (log.retentionMs): the new folder is without them.`
        : ''
    const earlier = before > 0 ? `, ${formatCount(before)} by an earlier run` : ''
    done(
      options,
      { into, records, before, missing },
      `${formatCount(records)} events computed anew in ${into}${earlier}.${lost} Use it with --data.`,
    )
  } finally {
    await folder.stop(stopping.signal.aborted ? 'at once' : undefined)
  }
}

function done({ json }: UpgradeOptions, fields: object, text: string): void {
  console.log(json ? JSON.stringify(fields, null, 2) : text)
}

class RebuildOnKafkaError extends Error {
  readonly code = 'REBUILD_ON_KAFKA'
  readonly advice =
    'Compute it anew in topics of its own (packmill topology replay clickstream --from earliest --lineage NAME), or in place of what there is (packmill topology reset clickstream).'
  constructor() {
    super('a second folder over the same topics would publish everything once more')
  }
}

class SameFolderError extends Error {
  readonly code = 'SAME_FOLDER'
  readonly advice = 'Name another folder, which is made.'
  constructor(folder: string) {
    super(`--into names the folder that is read: ${folder}`)
  }
}
