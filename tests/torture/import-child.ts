// A process to be killed: opens a data folder, imports files one after the other, settles after each, stops. Says each phase on a line.
//
// Run as `node import-child.ts <ChildTask as JSON>`. Owns nothing but the order; what it says is ChildLine. Ends with 0 when all is done or
// SIGTERM has been obeyed, with 1 after an error that it has named.
import { createReadStream, readFileSync } from 'node:fs'
import { type Config, loadConfig } from '../../config/index.ts'
import { toData } from '../../engine/errors.ts'
import type { WireEvent } from '../../model/event.ts'
import { type Embedded, openEmbedded } from '../../services/process/embedded.ts'
import type { ImportListener } from '../../services/process/importer.ts'
import { answerOf, type Summary, summary } from './answer.ts'

export interface ChildTask {
  data: string
  /** `path=value` */
  set: string[]
  /** JSON lines, not compressed. */
  files: string[]
  /** After the last file: compare what the stores hold with these files. */
  inspect?: boolean
  /** After all that: stay open, idle, until a signal comes. */
  stay?: boolean
  /** Decode the files in parallel; settle once, after the last. */
  parallel?: boolean
  /** How long a file's settling bears with a full disk. */
  patienceMs?: number
}

export type ChildLine =
  | { phase: 'opening' | 'stopping' | 'stopped' }
  | { phase: 'recovering'; partition: number; done: number; of: number }
  | { phase: 'migrating'; name: string }
  /** A partition or a sink met what may pass; and that has passed. */
  | { phase: 'waiting'; what: string; code: string }
  | { phase: 'resumed'; what: string }
  | { phase: 'ready'; ms: number }
  | { phase: 'importing'; file: number; bytes: number }
  | { phase: 'imported' | 'settled'; file: number; accepted: number; before: number }
  | ({ phase: 'answer' } & Summary)
  /** A partition or a sink stopped, or everything could not go on. */
  | { phase: 'trouble'; what: string; code: string; message: string; advice: string; stack: string | undefined }

const say = (line: ChildLine) => process.stdout.write(`${JSON.stringify(line)}\n`)
const trouble = (what: string, error: unknown) => {
  const { code, message, advice, stack } = toData(error)
  say({ phase: 'trouble', what, code, message, advice, stack })
}

async function run(task: ChildTask): Promise<void> {
  const startedMs = Date.now()
  say({ phase: 'opening' })
  const { config } = loadConfig({ data: task.data, set: task.set, environment: {} })
  const embedded = await openEmbedded({
    config,
    version: 'torture',
    live: false,
    patienceMs: task.patienceMs,
    onNotice: (notice) => {
      if (notice.type === 'recovering') say({ phase: 'recovering', partition: notice.partition, done: notice.done, of: notice.of })
      else if (notice.type === 'migrating') say({ phase: 'migrating', name: notice.name })
      else if (notice.type === 'partition-waiting')
        say({ phase: 'waiting', what: `partition ${notice.partition}`, code: toData(notice.error).code })
      else if (notice.type === 'sink-waiting') say({ phase: 'waiting', what: notice.table, code: toData(notice.error).code })
      else if (notice.type === 'import-waiting') say({ phase: 'waiting', what: 'import', code: toData(notice.error).code })
      else if (notice.type === 'import-resumed') say({ phase: 'resumed', what: 'import' })
      else if (notice.type === 'partition-resumed') say({ phase: 'resumed', what: `partition ${notice.partition}` })
      else if (notice.type === 'sink-resumed') say({ phase: 'resumed', what: notice.table })
      else if (notice.type === 'lane-restarted') trouble(notice.lane, notice.error)
      else if (notice.type === 'partition-stopped') trouble(`partition ${notice.partition}`, notice.error)
      else if (notice.type === 'sink-stopped') trouble(notice.table, notice.error)
    },
  })
  const terminated = new Promise<'terminated'>((resolve) => process.once('SIGTERM', () => resolve('terminated')))
  say({ phase: 'ready', ms: Date.now() - startedMs })
  const work = importAll(embedded, config, task)
  // A stop ends it with an error that is none.
  work.catch(() => undefined)
  try {
    await Promise.race([terminated, task.stay ? work.then(() => terminated) : work])
  } finally {
    say({ phase: 'stopping' })
    await embedded.stop()
  }
  say({ phase: 'stopped' })
}

async function importAll(embedded: Embedded, config: Config, { files, inspect, parallel }: ChildTask): Promise<void> {
  const ahead = parallel ? embedded.ahead(files, {}) : undefined
  for (const [file, path] of files.entries()) {
    const listener: ImportListener = {
      onReject: (line, _, reason) => trouble(`line ${line}`, reason),
      onProgress: ({ bytes }) => say({ phase: 'importing', file, bytes }),
    }
    const { accepted, before } = await (ahead?.import(file, listener) ?? embedded.import(createReadStream(path), listener))
    if (parallel && file < files.length - 1) continue
    say({ phase: 'imported', file, accepted, before })
    await embedded.settle({ snapshots: true, close: false })
    say({ phase: 'settled', file, accepted, before })
  }
  await ahead?.close()
  if (inspect) say({ phase: 'answer', ...summary(await answerOf(embedded, config, files.flatMap(eventsOf))) })
}

const eventsOf = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as WireEvent)

try {
  await run(JSON.parse(process.argv[2]) as ChildTask)
} catch (error) {
  trouble('the process', error)
  process.exitCode = 1
}
