// packmill lag: how far each task and each sink is behind what has come in. Owns what is printed; asks the process that is at work, or the log of a
// stopped folder.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import type { Config } from '../../config/index.ts'
import type { FolderMeta } from '../../services/process/data-folder.ts'
import type { Consumer, Lag } from '../../services/process/lag.ts'
import type { JournalLog } from '../../stores/log/journal-log.ts'
import { addDataOptions, addExamples, addJsonOption, type DataOptions, resolveConfig } from '../common-options.ts'
import { interrupt } from '../interrupt.ts'
import { type LagSum, lagSums } from '../lag-sums.ts'
import { wholeNumber } from '../numbers.ts'
import { formatBytes, formatCount, formatSeconds, formatTable } from '../print.ts'
import { requireData } from '../require-data.ts'

interface LagOptions extends DataOptions {
  all?: boolean
  watch?: boolean
  every: number
  json?: boolean
}

export function lag(command: Command): void {
  command
    .option('--all', 'a line for every partition, not only for those that are behind')
    .option('--watch', 'again and again, until Ctrl-C')
    .option('--every <seconds>', 'with --watch: how often', wholeNumber(1, 3_600), 1)
    .action(run)
  addExamples(addJsonOption(addDataOptions(command)), [
    ['packmill lag', 'records and bytes behind, and how long the oldest has waited; beside `packmill up`, or of a stopped folder'],
    ['packmill lag --all', 'every partition of every task and sink'],
    ['packmill lag --watch', 'as it changes'],
    ['packmill lag --watch --every 60 --json', 'a line of JSON a minute, for logs'],
    ['packmill lag --data ./.packmill/run/words', 'of a topology of your own'],
  ])
}

/** One look. */
interface Look {
  at: string
  data: string
  /** That is at work in the folder; absent where none is. */
  process?: { pid: number; command: string }
  lag: Lag[]
}

async function run(options: LagOptions): Promise<void> {
  const { config } = await resolveConfig(options)
  requireData(config)
  if (!options.watch) {
    const look = await lookAt(config)
    console.log(options.json ? JSON.stringify(look, null, 2) : asText(look, options))
    return
  }
  const stopping = interrupt(() => undefined)
  const screen = process.stdout.isTTY && !options.json ? (await import('log-update')).createLogUpdate(process.stdout) : undefined
  try {
    for (;;) {
      const look = await stopping.race(lookAt(config))
      if (options.json) console.log(JSON.stringify(look))
      else if (screen) screen(`${asText(look, options)}\n\nCtrl-C ends it.`)
      else console.log(`${look.at}\n${asText(look, options)}`)
      await sleep(options.every * 1000, undefined, { signal: stopping.signal })
    }
  } catch (error) {
    // It shows until somebody has seen enough.
    if (!stopping.signal.aborted) throw error
  } finally {
    screen?.done()
  }
}

async function lookAt(config: Config): Promise<Look> {
  const { aloneOrThrough } = await import('../../services/process/local.ts')
  return aloneOrThrough<Look>(
    config.data,
    async () => ({ ...now(config), lag: await stoppedLag(config) }),
    async (guest) => {
      const { pid, command } = guest.owner!
      return { ...now(config), process: { pid, command }, lag: await guest.lag() }
    },
  )
}

const now = ({ data }: Config) => ({ at: new Date().toISOString(), data })

/** Of a folder in which no process is at work. */
async function stoppedLag(config: Config): Promise<Lag[]> {
  const [{ withStoppedLog }, { computedIn, folderMeta }, { clickstreamSettings }, { clickstream }, { consumersIn, consumersOf, lagOf }] =
    await Promise.all([
      import('../../services/process/stopped-log.ts'),
      import('../../services/process/data-folder.ts'),
      import('../../services/process/embedded.ts'),
      import('../../topologies/clickstream.ts'),
      import('../../services/process/lag.ts'),
    ])
  const { isOnKafka } = await import('../../services/process/stopped-source.ts')
  const meta = folderMeta(config.data)
  const { topology, partitions } = meta
  const ofProduct = () => consumersOf(clickstream(clickstreamSettings(config)), computedIn(meta), partitions)
  return withStoppedLog(config.data, async (log) => {
    if (!isOnKafka(config.data, meta, config)) return lagOf(log, topology === undefined ? ofProduct() : await consumersIn(log), Date.now())
    const { withKafkaLag } = await import('../../services/process/kafka-setup.ts')
    const consumers = topology === undefined ? ofProduct() : await ownConsumers(config.data, meta, topology, log)
    const shown = config.kafka.sinks ? consumers : consumers.filter(({ kind }) => kind === 'task')
    return withKafkaLag(config, meta, log, (of) => lagOf(of, shown, Date.now()))
  })
}

/** Of a topology of one's own on Kafka: the tasks of the stages that have state here, in all partitions, and the sinks of the folder. */
async function ownConsumers(data: string, meta: FolderMeta, topology: string, log: JournalLog): Promise<Consumer[]> {
  const [{ tasksIn }, { ownStageName }, { computedIn }, { consumersIn, consumersOfOwn }] = await Promise.all([
    import('../../services/process/stopped-state.ts'),
    import('../../services/process/computed-lineage.ts'),
    import('../../services/process/data-folder.ts'),
    import('../../services/process/lag.ts'),
  ])
  const lineage = computedIn(meta)
  const stage = ownStageName(topology)
  const topics = new Set(tasksIn(join(data, 'state', lineage)).map(({ task }) => task.slice(stage.length + 1)))
  const pipelines = Array.from(topics, (topic) => ({ topic }))
  const tasks = consumersOfOwn({ name: topology, pipelines }, { lineage, partitions: meta.partitions, sinks: [], stage })
  return [...tasks, ...(await consumersIn(log)).filter(({ kind }) => kind === 'sink')]
}

function asText({ data, process, lag: found }: Look, { all = false }: Pick<LagOptions, 'all'>): string {
  const who = process ? `process ${process.pid} is at work in ${data}` : `nobody is at work in ${data}: as it was left`
  const rows = lagSums(found, all).map(({ consumer, topic, partition, ...sums }) => [consumer, topic, partition, ...cells(sums)])
  const head = ['consumer', 'topic', 'partition', 'position', 'end', 'behind', 'bytes', 'oldest']
  return `${who}\n\n${formatTable([head, ...rows])}`
}

const cells = ({ position, end, records, bytes, oldestMs }: Omit<LagSum, 'consumer' | 'topic' | 'partition'>) => [
  formatCount(position),
  formatCount(end),
  records === 0 ? 'caught up' : formatCount(records),
  records === 0 ? '' : formatBytes(bytes),
  oldestMs === undefined ? '' : formatSeconds(oldestMs / 1000),
]
