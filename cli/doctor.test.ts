// packmill doctor as its users meet it: of folders that are well, and of those that are not.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { dataFolder } from '../services/process/data-folder.ts'
import type { Finding } from './doctor/finding.ts'
import { packmill } from './packmill-process.fake.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-doctor-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const PARTITIONS = 3
/** What it says of the partitions, and its exit code. */
function doctor(...more: string[]): [code: number | null, state: Finding['state'], found: string] {
  const { code, out, err } = packmill(folder, ['doctor', '--data', 'd', '--json', ...more])
  expect(err).toBe('')
  const { findings } = JSON.parse(out) as { findings: Finding[] }
  const { state, found } = findings.find(({ about }) => about === 'partitions')!
  return [code, state, found]
}

test('a folder of the product has as many partitions as log.partitions, or something is wrong', () => {
  dataFolder(join(folder, 'd'), PARTITIONS)
  expect(doctor()).toEqual([1, 'wrong', '3, and log.partitions is 8'])
  expect(doctor('--set', 'log.partitions=3')).toEqual([0, 'well', '3'])
})

test("a folder of a topology of one's own is well with what it was made with; other partitions are wrong where somebody asks for them", () => {
  dataFolder(join(folder, 'd'), PARTITIONS, { topology: 'sums' })
  expect(doctor()).toEqual([0, 'well', '3'])
  expect(doctor('--set', 'log.partitions=3')).toEqual([0, 'well', '3'])
  expect(doctor('--set', 'log.partitions=8')).toEqual([1, 'wrong', '3, and log.partitions is 8'])
  expect(packmill(folder, ['doctor', '--data', 'd']).out).toMatch(/^ok {4}data folder +\S+, of topology sums$/m)
})

describe('what every command refuses is wrong, by the name it is refused by', () => {
  const meta = () => join(folder, 'd', 'packmill.json')
  const cases: [string, () => void, RegExp][] = [
    [
      'of another format',
      () => writeFileSync(meta(), readFileSync(meta(), 'utf8').replace(/"format":\d+/, '"format":1')),
      /^DATA_FORMAT: .*format 1, /,
    ],
    ['whose packmill.json is null', () => writeFileSync(meta(), 'null'), /^DATA_FORMAT: /],
    [
      'with a log and no packmill.json',
      () => {
        mkdirSync(join(folder, 'd', 'log'))
        rmSync(meta())
      },
      /^DATA_FORMAT: /,
    ],
    [
      'that is a file',
      () => {
        rmSync(join(folder, 'd'), { recursive: true })
        writeFileSync(join(folder, 'd'), '')
      },
      /^DATA_NOT_A_FOLDER: /,
    ],
  ]
  test.each(cases)('a folder %s', (_, spoil, message) => {
    dataFolder(join(folder, 'd'), PARTITIONS)
    spoil()
    const { code, out } = packmill(folder, ['doctor', '--data', 'd', '--set', `log.partitions=${PARTITIONS}`, '--json'])
    const { findings } = JSON.parse(out) as { findings: Finding[] }
    expect(findings.filter(({ state }) => state === 'wrong')).toEqual([
      { about: 'data folder', state: 'wrong', found: expect.stringMatching(message), advice: expect.any(String) },
    ])
    expect(code).toBe(1)
  })
})
