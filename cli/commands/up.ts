// packmill up: the process as a service. Takes events over HTTP, says how it is every few seconds, logs what happens (stderr), answers the other commands through the
// local socket, stops cleanly.
import type { Command } from 'commander'
import type { Notice } from '../../services/process/embedded.ts'
import { exitNow } from '../../services/process/exit-now.ts'
import type { Local } from '../../services/process/local.ts'
import { addDataOptions, addExamples, addJsonOption, type DataOptions, resolveConfig } from '../common-options.ts'
import { describeError, reportError } from '../errors.ts'
import { type Interrupted, interrupt } from '../interrupt.ts'
import { logNotice, openLog } from '../log.ts'
import { wholeNumber } from '../numbers.ts'
import { openFolder, restoring } from '../open-folder.ts'
import { formatCount } from '../print.ts'
import { version } from '../version.ts'

/** A stop that takes longer has met something that does not end. */
const STOP_SECONDS = 30

interface UpOptions extends DataOptions {
  every: number
  stopWithin: number
  port?: number
  org?: string
  http: boolean
  json?: boolean
}

/** In the tables; absent where this process fills none. A session that is open comes in with its first snapshot. */
interface Counts {
  openSessions: number
  closedSessions: number
  incidents: number
}

interface Status extends Partial<Counts> {
  at: string
  events: number
  eventsPerSecond: number
  duplicates: number
  late: number
  /** In memory: with a session that is open, or that can still be corrected. */
  users: number
  /** They cannot go on; why is in the log, on stderr. */
  stoppedPartitions: number[]
}

export function up(command: Command): void {
  command
    .option(
      '--port <n>',
      'take events over HTTP there, on this machine only (default: http.port, 3000; 0: any free one)',
      wholeNumber(0, 65_535),
    )
    .option('--org <id>', 'the orgId of events sent without one; else they are rejected')
    .option('--no-http', 'take no events over HTTP')
    .option('--every <seconds>', 'how often to say how it is', wholeNumber(1, 86_400), 5)
    .option(
      '--stop-within <seconds>',
      'how long a stop may take; one that takes longer is broken off',
      wholeNumber(1, 86_400),
      STOP_SECONDS,
    )
    .action(run)
  addExamples(addJsonOption(addDataOptions(command)), [
    ['packmill up', 'import, traffic and sql then work through it; events over HTTP too, on port 3000'],
    ['packmill up --port 0 --org acme', 'any free port, which is printed; events need no orgId'],
    ['packmill up --every 60 --json', 'a line of JSON a minute, for logs'],
    ['packmill up --set logLevel=debug', 'log also the requests of other commands'],
  ])
}

async function run(options: UpOptions): Promise<void> {
  const { config } = await resolveConfig(options)
  const say = options.json ? (fields: object) => console.log(JSON.stringify(fields)) : undefined
  const log = openLog(config)
  const startMs = performance.now()
  const stopping = interrupt((signal) => {
    log.info({ signal }, 'stopping: drains, checkpoints, commits')
    if (!say) console.log(`${time()}  ${signal}: stopping (again: at once)`)
  })
  log.info({ version: version(), data: config.data, lanes: config.engine.lanes, partitions: config.log.partitions }, 'starting')
  const stopped = new Set<number>()
  // Without a place in its group it does nothing any more.
  const expelled = Promise.withResolvers<never>()
  expelled.promise.catch(() => undefined)
  const onNotice = (notice: Notice) => {
    logNotice(log, notice)
    if (notice.type === 'partitions' && notice.is === 'failed') expelled.reject(notice.error)
    if (notice.type === 'restoring' && !say) console.log(`${time()}  ${restoring(notice)}`)
    if (notice.type !== 'partition-stopped') return
    stopped.add(notice.partition)
    if (!say) console.log(`${time()}  partition ${notice.partition} has stopped, the others go on: ${describeError(notice.error, false)}`)
  }
  const http = options.http ? { port: options.port ?? config.http.port, org: options.org } : undefined
  const folder = await openFolder(config, { live: true, alone: true, http, stopping, onNotice })
  const url = http && `http://127.0.0.1:${folder.httpPort}`
  log.info({ ms: Math.round(performance.now() - startMs), ...(url && { http: url }) }, 'ready')
  if (http && config.http.apiKeys.length > 0)
    log.warn('http.apiKeys are not checked in this version: whoever can reach the port on this machine may send events')
  if (say) say({ at: new Date().toISOString(), up: process.pid, data: config.data, ...(url && { http: url }) })
  else {
    console.log(`${time()}  up: ${config.data}, process ${process.pid}. Ctrl-C stops it.`)
    if (url) console.log(`${time()}  events: POST ${url}/v1/events/batch, from this machine only and without keys in this version`)
  }
  const hasTables = config.kafka.brokers.length === 0 || config.kafka.sinks
  let before: { events: number; ms: number } | undefined
  const report = async () => {
    const status = { ...(await statusOf(folder, hasTables, before)), stoppedPartitions: [...stopped].sort((a, b) => a - b) }
    before = { events: status.events, ms: performance.now() }
    if (stopping.signal.aborted) return
    if (say) say(status)
    else console.log(`${time()}  ${line(status)}`)
  }
  // Who works on waits for what may pass (brokers that cannot be asked), and says so: this line can be said when it has passed.
  const later = (error: unknown) => {
    if ((error as { retryable?: boolean }).retryable !== true) throw error
    log.warn({ error }, 'status-waiting: it is said again when this has passed')
  }
  try {
    while (!stopping.signal.aborted) {
      await stopping.race(report().catch(later))
      const pause = new Promise((resolve) => setTimeout(resolve, options.every * 1000).unref())
      await stopping.race(Promise.race([pause, expelled.promise]))
    }
  } catch (error) {
    if (!stopping.signal.aborted) {
      log.error({ error }, 'stopping: it cannot go on')
      await stopWithin(options.stopWithin, folder).catch(() => undefined)
      throw error
    }
  }
  await stopWithin(options.stopWithin, folder)
  log.info({ by: (stopping.signal.reason as Interrupted).by }, 'stopped')
  if (say) say({ at: new Date().toISOString(), stopped: true })
  else console.log(`${time()}  stopped: nothing is lost, the next start goes on here`)
}

async function statusOf(
  folder: Local,
  hasTables: boolean,
  before: { events: number; ms: number } | undefined,
): Promise<Omit<Status, 'stoppedPartitions'>> {
  const { tasks } = await folder.stats()
  const total = (name: 'accepted' | 'duplicates' | 'late' | 'users') => tasks.reduce((sum, task) => sum + task[name], 0)
  const [counts] = hasTables
    ? await folder.query<Counts>(
        `SELECT countIf(closed = 0) AS openSessions, countIf(closed = 1) AS closedSessions, (SELECT count() FROM incidents) AS incidents FROM sessions`,
      )
    : []
  const events = total('accepted')
  const seconds = before ? Math.max(0.001, (performance.now() - before.ms) / 1000) : undefined
  return {
    at: new Date().toISOString(),
    events,
    eventsPerSecond: seconds ? Math.round((events - before!.events) / seconds) : 0,
    ...counts,
    duplicates: total('duplicates'),
    late: total('late'),
    users: total('users'),
  }
}

const line = ({ eventsPerSecond, events, users, openSessions, closedSessions, incidents, late, stoppedPartitions }: Status) =>
  `${formatCount(eventsPerSecond)} events/s, ${formatCount(events)} in all; ${formatCount(users)} users in memory` +
  (openSessions === undefined
    ? ''
    : `; in the tables ${formatCount(openSessions)} open sessions, ${formatCount(closedSessions!)} closed, ${formatCount(incidents!)} incidents`) +
  (late > 0 ? `; ${formatCount(late)} late` : '') +
  (stoppedPartitions.length > 0 ? `; STOPPED: partition ${stoppedPartitions.join(', ')}` : '')

const time = () => new Date().toTimeString().slice(0, 8)

class StopTimeoutError extends Error {
  readonly code = 'STOP_TIMEOUT'
  readonly advice = 'What was committed is safe: the next start recovers it. --stop-within gives what it waited for longer.'
  constructor(seconds: number, underWay: readonly string[]) {
    super(
      `the stop was not over after ${seconds} s, and was broken off${underWay.length > 0 ? `; it waited for ${underWay.join(', ')}` : ''}`,
    )
  }
}

/** Settles as the folder's stop does, or ends the process: threads that do not end would keep it. */
async function stopWithin(seconds: number, folder: Local): Promise<void> {
  const timer = setTimeout(() => {
    reportError(new StopTimeoutError(seconds, folder.underWay()), { verbose: false })
    exitNow('SIGKILL')
  }, seconds * 1000)
  try {
    await folder.stop('at once')
  } finally {
    clearTimeout(timer)
  }
}
