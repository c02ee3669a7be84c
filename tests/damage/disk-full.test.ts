// A real disk without room: a small filesystem of its own under the data folder. (The same at every write, on simulated files: beside stores/log
// and stores/state, and in tests/sim.)
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { needs } from '../require.ts'
import { Child } from '../torture/child.ts'
import type { ChildLine } from '../torture/import-child.ts'
import { SMALL, writeFiles } from '../torture/round.ts'
import { outcomeOf } from './folder-kit.ts'

const folder = mkdtempSync(join(tmpdir(), 'packmill-full-'))
const disk = join(folder, 'disk')
mkdirSync(disk)
const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', disk]).status === 0
afterAll(() => {
  if (isMounted) spawnSync('umount', ['-l', disk])
  rmSync(folder, { recursive: true, force: true })
})

const ballast = join(disk, 'ballast')
/** Takes all the room there is, to the last byte. */
function fill(): void {
  const file = openSync(ballast, 'a')
  try {
    for (let size = 1 << 20; size > 0; ) {
      try {
        writeSync(file, Buffer.alloc(size))
      } catch {
        size >>= 1
      }
    }
  } finally {
    closeSync(file)
  }
}

describe.runIf(needs('a small filesystem of its own', isMounted, 'run the tests as root on Linux (they mount a tmpfs)'))(
  'a full disk',
  () => {
    const set = [...SMALL, 'log.partitions=2']
    const data = join(disk, 'data')
    let files: string[]
    beforeAll(() => {
      files = writeFiles(folder, 29, 3, 3000)
    })

    /** A process that has settled the first file and reads the next one, which comes when the disk is full. */
    async function fullAt(file: number, more: { patienceMs?: number } = {}): Promise<Child> {
      const pipe = join(folder, `pipe-${++pipes}`)
      expect(spawnSync('mkfifo', [pipe]).status).toBe(0)
      const child = new Child({ data, set, files: [...files.slice(0, file), pipe], ...more })
      await child.until((line) => line.phase === 'settled' && line.file === file - 1)
      fill()
      await writeFile(pipe, readFileSync(files[file]))
      return child
    }
    let pipes = 0
    const isWaiting = (line: ChildLine) => line.phase === 'waiting'

    test('met at work is said and waited for; with room it goes on by itself', async () => {
      const child = await fullAt(1)
      expect(await child.until(isWaiting)).toMatchObject({ code: 'DISK_FULL' })
      rmSync(ballast)
      const { troubles, code, stderr } = await outcomeOf(child)
      expect([troubles, code, stderr]).toEqual([[], 0, ''])
      // Each once, and each went on.
      const told = (phase: 'waiting' | 'resumed') => child.lines.flatMap((line) => (line.phase === phase ? line.what : [])).sort()
      expect(told('resumed')).toEqual(told('waiting'))
      expect(child.lines.findLast(({ phase }) => phase === 'settled')).toMatchObject({ file: 1, accepted: 3000 })
    })

    test('that stays full ends an import whose patience is over, a stop, and a start: DISK_FULL; later nothing is lost or doubled', async () => {
      const impatient = await outcomeOf(await fullAt(2, { patienceMs: 300 }))
      expect([impatient.code, impatient.signal]).toEqual([1, null])
      expect(impatient.troubles[0]).toMatchObject({ what: 'the process', code: 'DISK_FULL', message: expect.stringContaining(data) })
      const refused = await outcomeOf(new Child({ data, set, files }))
      expect([refused.code, refused.signal]).toEqual([1, null])
      expect(refused.troubles[0]).toMatchObject({
        code: 'DISK_FULL',
        message: expect.stringContaining(data),
        advice: expect.stringMatching(/Free space/),
      })
      rmSync(ballast)
      const stopped = await fullAt(2)
      await stopped.until(isWaiting)
      stopped.signal('SIGTERM')
      expect(await stopped.ended).toEqual({ code: 1, signal: null })
      expect(stopped.troubles.map(({ code }) => code)).toEqual(['DISK_FULL'])
      rmSync(ballast)
      expect((await outcomeOf(new Child({ data, set, files, inspect: true }))).answer).toMatchObject({ differences: [], events: 9000 })
    })

    test('at the first start of all: DISK_FULL, and the folder can be used later', async () => {
      const fresh = join(disk, 'fresh')
      fill()
      const refused = await outcomeOf(new Child({ data: fresh, set, files }))
      expect([refused.code, refused.signal]).toEqual([1, null])
      expect(refused.troubles.at(-1)).toMatchObject({ code: 'DISK_FULL', message: expect.stringContaining(fresh) })
      rmSync(ballast)
      rmSync(data, { recursive: true, force: true })
      const { troubles, answer } = await outcomeOf(new Child({ data: fresh, set, files: files.slice(0, 1), inspect: true }))
      expect(troubles).toEqual([])
      expect(answer).toMatchObject({ differences: [], events: 3000 })
    })
  },
)
