// packmill doctor as its users meet it: of folders that are well, and of those that are not.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
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
