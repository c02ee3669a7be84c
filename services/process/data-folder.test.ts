import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { dataFolder, folderMeta } from './data-folder.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-folder-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const kafka = { cluster: 'c1', topicPrefix: '' }

describe('a folder whose log is on Kafka', () => {
  test('knows its cluster and prefix, and is a member with a name of its own that stays', () => {
    const made = dataFolder(folder, 4, { kafka })
    expect(made.kafka).toMatchObject({ ...kafka, member: expect.stringMatching(/^m[0-9a-f]{12}$/) })
    expect(dataFolder(folder, 4, { kafka }).kafka).toEqual(made.kafka)
    expect(folderMeta(folder).kafka).toEqual(made.kafka)
  })

  test.each([
    ['the log in the folder', undefined, 'kafka.brokers is not set'],
    ['another cluster', { ...kafka, cluster: 'c2' }, "now it is c2 and ''"],
    ['another prefix', { ...kafka, topicPrefix: 'x.' }, "now it is c1 and 'x.'"],
  ])('is refused with %s: its offsets would be other records', (_, now, message) => {
    dataFolder(folder, 4, { kafka })
    const refused = expect.objectContaining({ code: 'DATA_LOG', message: expect.stringContaining(message) })
    expect(() => dataFolder(folder, 4, { kafka: now })).toThrow(refused)
  })

  test('one that has its log in it is refused with brokers', () => {
    dataFolder(folder, 4)
    expect(() => dataFolder(folder, 4, { kafka })).toThrow(expect.objectContaining({ code: 'DATA_LOG' }))
  })

  test('another number of partitions is refused, with the replay that computes it anew', () => {
    dataFolder(folder, 4, { kafka })
    const advice = expect.stringContaining('packmill topology replay clickstream --from earliest --lineage NAME --set log.partitions=8')
    expect(() => dataFolder(folder, 8, { kafka })).toThrow(expect.objectContaining({ code: 'PARTITIONS_FIXED', advice }))
    // A start whose topic was grown says the same: one that sent here would be sent back.
    expect(() => dataFolder(folder, 8, { kafka })).toThrow(
      expect.objectContaining({ advice: expect.stringMatching(/^Leave log\.partitions at 4 for this folder: /) }),
    )
  })
})

describe("the folder of a topology of one's own", () => {
  test('is opened by that one only; the number of partitions is not what is wrong', () => {
    dataFolder(folder, 1, { topology: 'sums' })
    expect(dataFolder(folder, 1, { topology: 'sums' }).topology).toBe('sums')
    const refused = (message: string) => expect.objectContaining({ code: 'DATA_TOPOLOGY', message: expect.stringContaining(message) })
    expect(() => dataFolder(folder, 1, { topology: 'words' })).toThrow(refused('is the folder of topology sums, and not of topology words'))
    expect(() => dataFolder(folder, 8)).toThrow(refused('is the folder of topology sums, which somebody wrote'))
  })

  test('is not that of the product, whatever its partitions', () => {
    dataFolder(folder, 8)
    for (const partitions of [1, 8])
      expect(() => dataFolder(folder, partitions, { topology: 'sums' })).toThrow(
        expect.objectContaining({
          code: 'DATA_TOPOLOGY',
          message: expect.stringContaining('is the folder of the product, and not of topology sums'),
          advice: expect.stringContaining('.packmill/run/sums'),
        }),
      )
  })
})
