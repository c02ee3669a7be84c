// Data folders that earlier code has written, kept as it left them: of the present format each is read, goes on and gives the right answer; one of an
// earlier format too, or it is refused by name. Nothing here may be written anew: what changes the bytes without being able to read these raises
// FOLDER_FORMAT (services/process/data-folder.ts), and adds folders of its own with tools/format-fixture.ts.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { FOLDER_FORMAT } from '../../services/process/data-folder.ts'
import { outcomeOf } from '../damage/folder-kit.ts'
import { needs } from '../require.ts'
import { Child } from '../torture/child.ts'

const archives = readdirSync(import.meta.dirname)
  .map((name) => /^(\d+)-(closed|killed)\.tar\.gz$/.exec(name))
  .filter((match) => match !== null)
  .map(([name, format, left]) => ({ name, format: Number(format), left }))
const folder = mkdtempSync(join(tmpdir(), 'packmill-formats-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('of every format up to the present one there is a folder, left in either way', () => {
  const expected = Array.from({ length: FOLDER_FORMAT }, (_, i) => ['closed', 'killed'].map((left) => `${i + 1}-${left}.tar.gz`)).flat()
  expect(archives.map(({ name }) => name).sort()).toEqual(expected.sort())
})

/** By format, whether it was read. */
const found = new Map<number, boolean>()
const hasTar = spawnSync('tar', ['--version']).status === 0
describe.runIf(needs('tar', hasTar, 'install tar'))('a data folder of', () => {
  test.each(archives)('format $format, $left', async ({ name, format }) => {
    expect(spawnSync('tar', ['-xzf', join(import.meta.dirname, name), '-C', folder]).status).toBe(0)
    const set = JSON.parse(readFileSync(join(folder, 'settings.json'), 'utf8')) as string[]
    const data = join(folder, 'data')
    const files = [0, 1].map((i) => join(folder, `events-${i}.jsonl`))
    const { answer, troubles, code } = await outcomeOf(new Child({ data, set, files, inspect: true }))
    rmSync(data, { recursive: true })
    found.set(format, troubles.length === 0)
    if (format === FOLDER_FORMAT || troubles.length === 0) {
      expect([troubles, code]).toEqual([[], 0])
      expect(answer).toMatchObject({ differences: [], events: 1000 })
      expect(answer!.sessions).toBeGreaterThan(30)
    } else {
      expect([answer, code]).toEqual([undefined, 1])
      expect(troubles[0]).toMatchObject({
        code: 'DATA_FORMAT',
        message: expect.stringContaining(`format ${format}, this version has format ${FOLDER_FORMAT}`),
        advice: expect.stringContaining('the version that made this one'),
      })
    }
  })

  test('each format is what docs/proof.md says of it', () => {
    const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'proof.md'), 'utf8')
    const [, refused = '', kept] = /formats ([\d, and]+) are\s+refused, format (\d+) is the first that is kept/.exec(page) ?? []
    const formatsThat = (isRead: boolean) => [...found].filter(([, was]) => was === isRead).map(([format]) => format)
    expect(refused.match(/\d+/g)?.map(Number)).toEqual(formatsThat(false).sort())
    expect(Number(kept)).toBe(Math.min(...formatsThat(true)))
  })
})
