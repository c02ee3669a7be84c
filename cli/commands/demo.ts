// packmill demo: seeded traffic through everything, shown while it runs, into a fresh folder that can be asked afterwards. Owns the folder (it
// deletes only what a demo made), the questions and the pace; demo-view.ts what is seen.
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Command } from 'commander'
import { createLogUpdate } from 'log-update'
import type { Local } from '../../services/process/local.ts'
import { traffic, trafficDefaults } from '../../services/traffic/traffic.ts'
import { folderOwner } from '../../stores/files/folder-lock.ts'
import { addDataOptions, addExamples, type DataOptions, resolveConfig } from '../common-options.ts'
import { type DemoFigures, demoEnd, demoLine, demoScreen, type Incident } from '../demo-view.ts'
import { EXIT_INTERRUPTED, interrupt } from '../interrupt.ts'
import { wholeNumber } from '../numbers.ts'
import { openFolder } from '../open-folder.ts'
import { paced } from '../paced.ts'
import { formatCount } from '../print.ts'

const EVENTS = 200_000
const EVENTS_PER_SECOND = 10_000
const LOOK_MS = 500
const PLAIN_LOOKS = 4
const SPARK_COUNT = 24
const MARKER = 'demo.txt'

interface DemoOptions extends DataOptions {
  events: number
  rate: number
  seed: number
}

export function demo(command: Command): void {
  command
    .option('--events <n>', 'how many', wholeNumber(1, 1e9), EVENTS)
    .option('--rate <n>', 'events per second', wholeNumber(1, 1e7), EVENTS_PER_SECOND)
    .option('--seed <n>', 'another seed, other traffic', wholeNumber(0, 2 ** 32 - 1), trafficDefaults.seed)
    .action(run)
  addExamples(addDataOptions(command), [
    ['packmill demo', 'about 25 seconds, into ./.packmill/demo, made anew each time'],
    ['packmill demo --events 1000000 --rate 50000', 'more, and faster'],
  ])
}

async function run(options: DemoOptions): Promise<void> {
  // Rows may come in small inserts: someone is watching.
  const loaded = await resolveConfig({ ...options, set: ['sink.intervalMs=250', ...(options.set ?? [])] }, { isEmbedded: true })
  const data = loaded.origins.get('data') === 'default' ? join(loaded.config.data, 'demo') : loaded.config.data
  makeFolder(data)
  const stopping = interrupt((name) => console.error(`${name}: stopping (again: at once)`))
  const startMs = performance.now()
  const folder = await openFolder({ ...loaded.config, data }, { alone: true, stopping })
  try {
    const figures = await play(folder, options, stopping)
    console.log(demoEnd(figures, { folder: relative('.', data) || '.', seconds: (performance.now() - startMs) / 1000 }))
  } catch (error) {
    if (!stopping.signal.aborted) throw error
    process.exitCode = EXIT_INTERRUPTED
  } finally {
    await folder.stop('at once')
  }
}

async function play(folder: Local, { events, rate, seed }: DemoOptions, stopping: ReturnType<typeof interrupt>): Promise<DemoFigures> {
  const generator = traffic({ events, seed })
  const title = `Packmill demo: ${formatCount(events)} events of ${trafficDefaults.orgs} organisations, seed ${seed}`
  const isTerminal = process.stdout.isTTY === true
  const screen = createLogUpdate(process.stdout)
  const rates: number[] = []
  let looks = 0
  let seen = { lines: 0, ms: performance.now() }
  if (!isTerminal) console.log(title)

  const look = async (isLast = false): Promise<DemoFigures> => {
    const now = { lines: generator.truth.lines, ms: performance.now() }
    if (!isLast) rates.push(((now.lines - seen.lines) * 1000) / Math.max(1, now.ms - seen.ms))
    seen = now
    const figures = await ask(folder, { sent: now.lines, of: events, rates: rates.slice(-SPARK_COUNT) })
    if (isTerminal) screen(demoScreen(figures, title))
    else if (isLast || looks++ % PLAIN_LOOKS === PLAIN_LOOKS - 1) console.log(demoLine(figures))
    return figures
  }
  const watch = async (until: AbortSignal) => {
    while (!until.aborted) {
      await look()
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_MS)
        const wake = () => {
          clearTimeout(timer)
          resolve()
        }
        until.addEventListener('abort', wake, { once: true })
      })
    }
  }

  const over = new AbortController()
  const watching = watch(over.signal)
  try {
    const work = async () => {
      await folder.import(stopping.stream(paced(generator, rate)), { name: `demo ${seed}`, onReject: () => undefined })
      await stopping.race(folder.settle({ snapshots: true, close: false }))
    }
    // A question that fails ends the demo; it would be waited for in vain.
    await Promise.race([work(), watching.then(() => new Promise<never>(() => undefined))])
  } finally {
    over.abort()
    await watching.catch(() => undefined)
    if (isTerminal && stopping.signal.aborted) screen.done()
  }
  const figures = await look(true)
  if (isTerminal) screen.clear()
  return figures
}

async function ask(folder: Local, known: Pick<DemoFigures, 'sent' | 'of' | 'rates'>): Promise<DemoFigures> {
  const { tasks } = await folder.stats()
  const total = (name: 'accepted' | 'duplicates' | 'late') => tasks.reduce((sum, task) => sum + task[name], 0)
  const [events] = await folder.query<{ n: number; ms: number }>(
    'SELECT count() AS n, toUnixTimestamp64Milli(max(ts)) AS ms FROM events_raw',
  )
  const [sessions] = await folder.query<{ openNow: number; over: number }>(
    'SELECT countIf(closed = 0) AS openNow, countIf(closed = 1) AS over FROM sessions',
  )
  const [kinds] = await folder.query<{ rage: number; back: number; left: number }>(
    "SELECT countIf(kind = 'rage_click') AS rage, countIf(kind = 'backtrack') AS back, countIf(kind = 'abandoned_task') AS left FROM incidents",
  )
  const screens = await folder.query<DemoFigures['screens'][number]>(
    `SELECT screen, countIf(kind = 'rage_click') AS rageClicks, countIf(kind = 'backtrack') AS backtracks, countIf(kind = 'abandoned_task') AS abandonedTasks,
      uniq(org_id, product_id, user_id) AS users
    FROM incidents WHERE screen != '' GROUP BY screen ORDER BY count() DESC, screen LIMIT 6`,
  )
  const latest = await folder.query<Incident>(
    `SELECT incident_id, formatDateTime(last_at, '%H:%i:%S') AS at, org_id, user_id, kind, screen, element, count
    FROM incidents ORDER BY last_at DESC, incident_id LIMIT 6`,
  )
  return {
    ...known,
    processed: total('accepted'),
    duplicates: total('duplicates'),
    late: total('late'),
    eventTimeMs: Math.max(0, events?.ms ?? 0),
    queryable: events?.n ?? 0,
    openSessions: sessions?.openNow ?? 0,
    closedSessions: sessions?.over ?? 0,
    rageClicks: kinds?.rage ?? 0,
    backtracks: kinds?.back ?? 0,
    abandonedTasks: kinds?.left ?? 0,
    screens,
    latest,
  }
}

/** An empty folder: what an earlier demo left there is removed, anything else is not. Throws DEMO_FOLDER. */
function makeFolder(folder: string): void {
  if (existsSync(folder) && !statSync(folder).isDirectory()) throw new DemoFolderError(`${folder} is a file`)
  const isDemo = existsSync(join(folder, MARKER))
  if (existsSync(folder) && readdirSync(folder).length > 0 && !isDemo)
    throw new DemoFolderError(`${folder} holds something that no demo made`)
  const owner = folderOwner(folder)
  if (owner) throw new DemoFolderError(`process ${owner.pid} (${owner.command}) is at work in ${folder}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, MARKER), 'A folder of `packmill demo`, which deletes it when it is run again.\n')
}

class DemoFolderError extends Error {
  readonly code = 'DEMO_FOLDER'
  readonly advice = 'Choose another folder with --data; it is deleted and made anew.'
}
