import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { realFiles } from '../../../stores/files/real-files.ts'
import { type JournalLog, openJournalLog } from '../../../stores/log/journal-log.ts'
import { prepareLog } from '../../../stores/log/prepare-log.ts'
import { localWaits } from '../../../stores/log/shared-log.ts'
import { folderBytes } from './folder-bytes.ts'
import { JournalTail } from './journal-tail.ts'

const WRITERS = ['main', 'lane-0']
const TOPIC = 'events.incidents'

let folder: string
let logs: JournalLog[]
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-tail-'))
  const shared = await prepareLog({ files: realFiles, folder, writers: WRITERS })
  const waits = localWaits()
  logs = await Promise.all(WRITERS.map((writer) => openJournalLog({ files: realFiles, folder, writer, shared, waits, journalBytes: 400 })))
})
afterEach(async () => {
  for (const log of logs) await log.close()
  rmSync(folder, { recursive: true })
})

const block = (topic: string, ...lines: string[]) => ({
  topic,
  partition: 0,
  count: lines.length,
  bytes: Buffer.from(`${lines.join('\n')}\n`),
})

test('reads the records of its topic, of all writers and over all files, each once', async () => {
  const tail = new JournalTail(folder, TOPIC)
  const read: string[] = []
  const look = () => tail.read((text) => read.push(text))
  tail.list()
  look()
  expect(read).toEqual([])
  const claims = await Promise.all(logs.map((log, n) => log.claim(`claim-${n}`)))
  const sent: string[] = []
  for (let round = 0; round < 10; round++) {
    for (const [n, claim] of claims.entries()) {
      const lines = [`${n} first of ${round}`, `${n} ${'x'.repeat(100)} of ${round}`]
      sent.push(...lines)
      await claim.commit({ outputs: [block('events.raw', 'not this'), block(TOPIC, ...lines), block('events.late', 'nor this')] })
      if (round % 3 === 0) look()
    }
    if (round % 4 === 1) tail.list()
  }
  tail.list()
  look()
  look()
  expect([...read].sort()).toEqual([...sent].sort())
  for (const n of [0, 1]) expect(read.filter((line) => line.startsWith(`${n}`))).toEqual(sent.filter((line) => line.startsWith(`${n}`)))
  expect(realFiles.list(folder).filter((name) => /^lane-0.*jnl$/.test(name)).length).toBeGreaterThan(3)
  tail.close()
})

test('the bytes of a folder are those of its files; of one that is not there none', async () => {
  const before = folderBytes(folder)
  await (await logs[0].claim('claim')).commit({ outputs: [block(TOPIC, 'x'.repeat(5000))] })
  expect(folderBytes(folder) - before).toBeGreaterThan(5000)
  expect(folderBytes(folder) - before).toBeLessThan(6000)
  expect(folderBytes(join(folder, 'none'))).toBe(0)
})
