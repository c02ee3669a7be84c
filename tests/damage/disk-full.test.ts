// A real disk without room: a small filesystem of its own under the data folder. (The same at every write, on simulated files: beside stores/log
// and stores/state, and in tests/sim.)
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { needs } from '../require.ts'
import { Child } from '../torture/child.ts'
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

    test('at a start: DISK_FULL; with room again it goes on where it stopped, and nothing is lost or doubled', async () => {
      expect((await outcomeOf(new Child({ data, set, files: files.slice(0, 2) }))).troubles).toEqual([])
      fill()
      const refused = await outcomeOf(new Child({ data, set, files }))
      expect([refused.code, refused.signal]).toEqual([1, null])
      expect(refused.troubles[0]).toMatchObject({
        code: 'DISK_FULL',
        message: expect.stringContaining(data),
        advice: expect.stringMatching(/Free space/),
      })
      rmSync(ballast)
      expect((await outcomeOf(new Child({ data, set, files, inspect: true }))).answer).toMatchObject({ differences: [], events: 9000 })
    }, 60_000)

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
    }, 60_000)
  },
)
