// Writes data folders for tests/formats: as this code, or another checkout's, leaves them after a clean stop and after kill -9 in the middle of an
// import. To be run once for each format, before the code that writes it changes; what is there already is kept.
//   node tools/format-fixture.ts [--code DIR]
// Each is an archive of `data/` (the folder), `settings.json`, and `events-0.jsonl`, `events-1.jsonl`: the first is in the folder, the second in part.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { Child as ChildOf } from '../tests/torture/child.ts'
import { SMALL, writeFiles } from '../tests/torture/round.ts'

const root = join(import.meta.dirname, '..')
const { code = root } = parseArgs({ options: { code: { type: 'string' } } }).values
const { Child } = (await import(pathToFileURL(join(resolve(code), 'tests/torture/child.ts')).href)) as { Child: typeof ChildOf }
const EVENTS_PER_FILE = 500
/** It is read for years. */
const LASTING = ['log.retentionMs=3650d', 'analytics.ttlDays.events=36500', 'analytics.ttlDays.facts=36500']

for (const left of ['closed', 'killed'] as const) {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-format-'))
  try {
    const files = writeFiles(folder, 31, 2, EVENTS_PER_FILE)
    const data = join(folder, 'data')
    const set = [...SMALL, 'log.partitions=2', 'engine.lanes=1', ...LASTING]
    writeFileSync(join(folder, 'settings.json'), `${JSON.stringify(set)}\n`)
    const child = new Child({ data, set, files: left === 'closed' ? files.slice(0, 1) : files, stay: true })
    const isThere = (phase: string, file: number) => child.until((line) => line.phase === phase && (line as { file: number }).file === file)
    await (left === 'closed' ? isThere('settled', 0) : isThere('imported', 1))
    child.signal(left === 'closed' ? 'SIGTERM' : 'SIGKILL')
    await child.ended
    if (child.troubles.length > 0) throw new Error(JSON.stringify(child.troubles))
    // Of this machine.
    rmSync(join(data, 'owner.lock'), { force: true })
    const { format } = JSON.parse(readFileSync(join(data, 'packmill.json'), 'utf8')) as { format: number }
    const archive = join(root, 'tests', 'formats', `${format}-${left}.tar.gz`)
    if (existsSync(archive)) console.log(`${archive} is there and stays`)
    else {
      const names = ['data', 'settings.json', 'events-0.jsonl', 'events-1.jsonl']
      const { status, stderr } = spawnSync('tar', ['--owner=0', '--group=0', '-czf', archive, ...names], { cwd: folder, encoding: 'utf8' })
      if (status !== 0) throw new Error(stderr)
      console.log(`${archive} written`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
