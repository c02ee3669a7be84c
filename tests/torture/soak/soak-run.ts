// A soak: one `packmill up` under a steady load for so long, and how much it keeps, holds and takes, every ten seconds. Owns the process, the load and the clock;
// what the numbers mean belongs to soak-verdict.ts.
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { cpuSecondsOf } from '../../../bench/harness/cpu-of.ts'
import { preciseNow } from '../../../bench/harness/live.ts'
import { anonymousBytes } from '../../../bench/harness/memory-of.ts'
import { percentile } from '../../../bench/harness/percentile.ts'
import { packmill, startPackmill } from '../../../cli/packmill-process.fake.ts'
import { type IncidentRow, TOPICS } from '../../../model/rows.ts'
import { SocketClient } from '../../../services/process/socket-client.ts'
import { findSocketPath } from '../../../services/process/socket-path.ts'
import { folderBytes } from './folder-bytes.ts'
import { JournalTail } from './journal-tail.ts'
import type { SoakLoadOrder, SoakLoadSays } from './soak-load.ts'
import { ALLOWED_DISORDER_MS, CORRECTION_MS, ROWS_MINUTES, SOAK_SET } from './soak-settings.ts'
import { CLICKS, PATTERN_USER, type SoakShape } from './soak-traffic.ts'

export interface SoakOptions {
  minutes: number
  /** Events per second, about. */
  rate: number
  note(text: string): void
}

/** What was seen in ten seconds, and at their end. */
export interface Sample {
  /** Seconds since the load began. */
  atS: number
  logBytes: number
  stateBytes: number
  /** The analytics store's. */
  tableBytes: number
  /** Of these, by table: parts in use; what grows for good among them. */
  tables: Record<string, number>
  anonymousBytes: number
  residentBytes: number
  /** As the analytics engine counts it, of the process's. */
  engineBytes: number
  /** From when a pattern was complete to when its incident was read. */
  incidents: number
  medianMs: number
  p99Ms: number
  worstMs: number
  /** How old the youngest incident in the table is. */
  rowMs: number
  sessionsOpen: number
  /** Events of what tasks still know. */
  eventsOpen: number
  usersCached: number
  checkpoints: number
  /** Cores. */
  cpu: number
  ownCpu: number
  events: number
  /** The longest that a line waited for being sent. */
  lateMs: number
}

export interface SoakRun {
  samples: Sample[]
  load: SoakLoadSays
  /** What is wrong with the counts at the end, in words. */
  differences: string[]
  /** Patterns whose incident was read once. */
  read: number
  /** Sessions of patterns that were looked at in the table. */
  sessionsLooked: number
  startedAt: string
  options: { minutes: number; rate: number; patterns: number }
  folder: string
}

const PATTERNS = 20
const SAMPLE_MS = 10_000
const POLL_MS = 4
const LIST_MS = 200
const SETTLE_MS = 60_000
const STOP_SECONDS = 300

/** Errors: a process that does not start or ends, a batch that is refused. The folder then stays. */
export async function soakRun({ minutes, rate, note }: SoakOptions): Promise<SoakRun> {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-soak-'))
  const data = join(folder, 'data')
  const set = SOAK_SET.flatMap((one) => ['--set', one])
  makeFolder(folder, data, set)
  const up = startPackmill(folder, [
    'up',
    '--port',
    '0',
    '--data',
    data,
    '--json',
    '--every',
    '86400',
    '--stop-within',
    String(STOP_SECONDS),
    ...set,
  ])
  const kill = () => void up.child.kill('SIGKILL')
  process.once('exit', kill)
  let isEnding = false
  const broken = up.ended.then(({ code, signal, err }) => {
    if (!isEnding) throw new Error(`packmill up ended with ${signal ?? code}, look into ${folder}:\n${err.slice(-4000)}`)
  })
  broken.catch(() => undefined)
  let out = ''
  up.child.stdout!.on('data', (text: Buffer) => (out = (out + text.toString()).slice(-10_000)))
  up.child.stderr!.on('data', (text: Buffer) => appendFileSync(join(folder, 'up.log'), text))
  await Promise.race([broken, up.says(/"http":"[^"]+"/)])
  const port = Number(new URL(/"http":"([^"]+)"/.exec(out)![1]).port)
  const pid = up.child.pid!
  const client = new SocketClient(findSocketPath(data), 'the soaked process')
  const [{ full }] = await client.query<{ full: string }>(`SELECT engine_full AS full FROM system.tables WHERE name = 'events_raw'`)
  if (!/toIntervalMinute/.test(full)) throw new Error(`rows of events_raw do not expire as they were told to: ${full}`)

  const tail = new JournalTail(join(data, 'log'), TOPICS.incidents)
  const fromMs = Math.ceil(preciseNow()) + 5000
  const shape: SoakShape = { rate, patterns: PATTERNS, seed: 1, allowedDisorderMs: ALLOWED_DISORDER_MS, correctionMs: CORRECTION_MS }
  const load = startLoad({ port, shape, fromMs })
  // A process that ends is the cause, and its connections fail before that is known.
  const failed = load.failed.catch(async (error: Error) => {
    await Promise.race([broken, sleep(2000)])
    throw new Error(`the load failed while process ${pid} went on: ${error.message}`)
  })
  failed.catch(() => undefined)
  note(`soak of ${minutes} min at ${rate} events/s; process ${pid}, folder ${folder}`)

  const seen = new Map<string, number>()
  let latencies: number[] = []
  const onRecord = (text: string) => {
    if (!text.includes(`"user_id":"u:${PATTERN_USER}`)) return
    const row = JSON.parse(text) as IncidentRow
    if (row.kind !== 'rage_click' || row.version !== 1) return
    latencies.push(preciseNow() - row.last_at)
    seen.set(row.user_id, (seen.get(row.user_id) ?? 0) + 1)
  }
  let tailing = true
  const tailed = (async () => {
    for (let listedMs = 0; tailing; await sleep(POLL_MS)) {
      if (preciseNow() - listedMs > LIST_MS) {
        tail.list()
        listedMs = preciseNow()
      }
      tail.read(onRecord)
    }
  })()

  const samples: Sample[] = []
  const startedAt = new Date(fromMs).toISOString()
  const cpu = { up: cpuSecondsOf(pid), own: process.cpuUsage(), atMs: preciseNow() }
  const sample = async (): Promise<Sample> => {
    const { median, p99, worst, count } = {
      count: latencies.length,
      median: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
      worst: Math.max(0, ...latencies),
    }
    latencies = []
    const nowMs = preciseNow()
    const own = process.cpuUsage(cpu.own)
    const cores = {
      cpu: (cpuSecondsOf(pid) - cpu.up) / ((nowMs - cpu.atMs) / 1000),
      ownCpu: (own.user + own.system) / 1000 / (nowMs - cpu.atMs),
    }
    Object.assign(cpu, { up: cpuSecondsOf(pid), own: process.cpuUsage(), atMs: nowMs })
    const { tasks } = await client.stats()
    const sum = (of: (task: (typeof tasks)[number]) => number) => tasks.reduce((total, task) => total + of(task), 0)
    const [row] = await client.query<{ at: number }>(
      `SELECT toUnixTimestamp64Milli(max(last_at)) AS at FROM fact_incidents WHERE org_id LIKE '${PATTERN_USER}%'`,
    )
    const rowMs = preciseNow() - Number(row.at)
    const [{ open }] = await client.query<{ open: number }>(`SELECT countIf(closed = 0) AS open FROM sessions`)
    const parts = await client.query<{ table: string; bytes: number }>(
      `SELECT table, sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table ORDER BY table`,
    )
    const [memory] = await client.query<{ value: number }>(`SELECT value FROM system.metrics WHERE metric = 'MemoryTracking'`)
    return {
      atS: Math.round((nowMs - fromMs) / 1000),
      logBytes: folderBytes(join(data, 'log')),
      stateBytes: folderBytes(join(data, 'state')),
      tableBytes: folderBytes(join(data, 'analytics')),
      tables: Object.fromEntries(parts.map(({ table, bytes }) => [table, Number(bytes)])),
      anonymousBytes: anonymousBytes(pid),
      residentBytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024,
      engineBytes: Number(memory?.value),
      incidents: count,
      medianMs: median,
      p99Ms: p99,
      worstMs: worst,
      rowMs,
      sessionsOpen: Number(open),
      eventsOpen: sum(({ open }) => open),
      usersCached: sum(({ users }) => users),
      checkpoints: sum(({ checkpoints }) => checkpoints),
      ...cores,
      events: load.said.sent,
      lateMs: load.takeLatest(),
    }
  }
  const endMs = fromMs + minutes * 60_000
  for (let nextMs = fromMs + SAMPLE_MS; nextMs <= endMs; nextMs += SAMPLE_MS) {
    await Promise.race([sleep(Math.max(0, nextMs - preciseNow())), broken, failed])
    const one = await Promise.race([sample(), broken as Promise<never>, failed])
    samples.push(one)
    appendFileSync(join(folder, 'samples.jsonl'), `${JSON.stringify(one)}\n`)
    note(line(one))
  }
  const said = await load.stop()
  // What is on its way comes out.
  for (const untilMs = preciseNow() + SETTLE_MS; preciseNow() < untilMs && seen.size < said.patterns; ) await sleep(100)
  const { differences, sessionsLooked } = await countsOf(client, said, seen)
  tailing = false
  await tailed
  tail.close()
  isEnding = true
  up.child.kill('SIGTERM')
  const { code, signal, err } = await up.ended
  process.off('exit', kill)
  if (code !== 0) differences.push(`asked to stop it ended with ${signal ?? code}: ${err.slice(-1000)}`)
  const read = [...seen.values()].filter((times) => times === 1).length
  return { samples, load: said, differences, read, sessionsLooked, startedAt, options: { minutes, rate, patterns: PATTERNS }, folder }
}

/** With its tables in it, whose rows live for minutes. */
function makeFolder(folder: string, data: string, set: readonly string[]): void {
  mkdirSync(data)
  const empty = join(folder, 'empty.jsonl')
  writeFileSync(empty, '')
  const made = packmill(folder, ['import', '--data', data, empty, ...set])
  if (made.code !== 0) throw new Error(`the data folder could not be made: ${made.err}`)
  const shortened = spawnSync(process.execPath, [join(import.meta.dirname, 'short-lived.ts'), data, String(ROWS_MINUTES)], {
    encoding: 'utf8',
  })
  if (shortened.status !== 0) throw new Error(`rows could not be made to expire: ${shortened.stderr}`)
}

function startLoad(order: SoakLoadOrder) {
  const worker = new Worker(new URL('./soak-load.ts', import.meta.url), { workerData: order })
  let said: SoakLoadSays = { sent: 0, accepted: 0, rejected: 0, again: 0, patterns: 0, latestMs: 0, isOver: false }
  let latestMs = 0
  const over = Promise.withResolvers<SoakLoadSays>()
  const failed = new Promise<never>((_, reject) => worker.on('error', reject))
  worker.on('message', (message: SoakLoadSays) => {
    said = message
    latestMs = Math.max(latestMs, message.latestMs)
    if (message.isOver) over.resolve(message)
  })
  return {
    failed,
    get said() {
      return said
    },
    takeLatest: () => {
      const taken = latestMs
      latestMs = 0
      return taken
    },
    stop: () => {
      worker.postMessage('stop')
      return Promise.race([over.promise, failed])
    },
  }
}

/** Sent is accepted, accepted is accounted for, each pattern was found once, and its session is what it must be. */
async function countsOf(client: SocketClient, load: SoakLoadSays, seen: ReadonlyMap<string, number>) {
  const differences: string[] = []
  const expect = (what: string, is: number, should: number) => {
    if (is !== should) differences.push(`${what}: ${is}, expected ${should}`)
  }
  expect('accepted and rejected', load.accepted + load.rejected, load.sent)
  let tasks: Awaited<ReturnType<SocketClient['stats']>>['tasks'] = []
  const sum = (of: (task: (typeof tasks)[number]) => number) => tasks.reduce((total, task) => total + of(task), 0)
  for (const untilMs = preciseNow() + SETTLE_MS; preciseNow() < untilMs; await sleep(200)) {
    tasks = (await client.stats()).tasks
    if (sum(({ accepted }) => accepted) === load.accepted) break
  }
  expect(
    'events that the tasks took',
    sum(({ accepted }) => accepted),
    load.accepted,
  )
  expect(
    'events by what became of them',
    sum(({ open, closed, duplicates, late, deadLettered }) => open + closed + duplicates + late + deadLettered),
    sum(({ accepted }) => accepted),
  )
  expect(
    'dead letters',
    sum(({ deadLettered }) => deadLettered),
    0,
  )
  expect('incidents of patterns', seen.size, load.patterns)
  expect('incidents of patterns that were read more than once', [...seen.values()].filter((times) => times > 1).length, 0)
  // Those that ended some minutes ago, and whose rows are still there.
  const at = `now64(3) - INTERVAL`
  const [row] = await client.query<{ sessions: number; wrong: number; from: number; to: number }>(
    `SELECT count() AS sessions, countIf(event_count != ${CLICKS} OR rage_clicks != 1 OR closed != 1) AS wrong,
       min(toUInt64(substring(user_id, ${3 + PATTERN_USER.length}))) AS from, max(toUInt64(substring(user_id, ${3 + PATTERN_USER.length}))) AS to
     FROM sessions WHERE org_id LIKE '${PATTERN_USER}%' AND started_at > ${at} 4 MINUTE AND started_at < ${at} 2 MINUTE`,
  )
  expect('sessions of patterns that began 2 to 4 minutes before the end', Number(row.sessions), Number(row.to) - Number(row.from) + 1)
  expect('sessions of patterns that are wrong', Number(row.wrong), 0)
  return { differences, sessionsLooked: Number(row.sessions) }
}

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`

function line(one: Sample): string {
  const folder = one.logBytes + one.stateBytes + one.tableBytes
  return (
    `${String(Math.floor(one.atS / 60)).padStart(3)}:${String(one.atS % 60).padStart(2, '0')}  folder ${mb(folder)} (log ${mb(one.logBytes)}, state ${mb(one.stateBytes)}, tables ${mb(one.tableBytes)}); ` +
    `RssAnon ${mb(one.anonymousBytes)}, RSS ${mb(one.residentBytes)}; incidents p50 ${one.medianMs.toFixed(0)} p99 ${one.p99Ms.toFixed(0)} worst ${one.worstMs.toFixed(0)} ms, row ${one.rowMs.toFixed(0)} ms; ` +
    `${one.sessionsOpen} open; ${one.cpu.toFixed(2)} + ${one.ownCpu.toFixed(2)} cores; ${one.events} events, sent at most ${one.lateMs.toFixed(0)} ms late`
  )
}
