// Two real threads over real files: what one commits wakes the other and can be read there; a claim in one fences the other's.

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { realFiles } from '../files/real-files.ts'
import { openJournalLog } from './journal-log.ts'
import { prepareLog } from './prepare-log.ts'

/** Reads events.raw until it has 50 records, then claims the main thread's name. */
const LANE = `
const { workerData, parentPort } = require('node:worker_threads')
;(async () => {
  const { openJournalLog } = await import(workerData.here + '/journal-log.ts')
  const { realFiles } = await import(workerData.here + '/../files/real-files.ts')
  const log = await openJournalLog({ files: realFiles, folder: workerData.folder, writer: 'lane-0', shared: workerData.shared })
  const reader = log.reader({ topic: 'events.raw', partition: 0 })
  let next = 0
  let text = ''
  while (next < 50) {
    const read = await reader.read(next, 1 << 16)
    for (const { pos, length } of read.blocks) text += Buffer.from(read.bytes.subarray(pos, pos + length)).toString()
    if (read.next === next) await log.changed()
    next = read.next
  }
  const { last } = await log.claim('import')
  parentPort.postMessage({ text, last })
  await log.close()
})()
`

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-threads-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

it('a commit wakes a thread that waits, which reads it; its claim of the name fences the first', async () => {
  const shared = await prepareLog({ files: realFiles, folder, writers: ['main', 'lane-0'] })
  const log = await openJournalLog({ files: realFiles, folder, writer: 'main', shared, journalBytes: 1000 })
  const worker = new Worker(LANE, { eval: true, workerData: { here: import.meta.dirname, folder, shared } })
  const answer = once(worker, 'message')
  const claim = await log.claim('import')
  let expected = ''
  for (let epoch = 1; epoch <= 50; epoch++) {
    const text = `{"n":${epoch},"pad":"${'x'.repeat(50)}"}\n`
    expected += text
    await claim.commit({
      outputs: [{ topic: 'events.raw', partition: 0, count: 1, bytes: Buffer.from(text) }],
      receipt: { epoch, to: epoch },
    })
  }
  const [{ text, last }] = (await answer) as [{ text: string; last: unknown }]
  expect(text).toBe(expected)
  expect(last).toEqual({ epoch: 50, to: 50 })
  expect(await claim.holds()).toBe(false)
  await expect(claim.commit({ outputs: [], receipt: { epoch: 51, to: 51 } })).rejects.toMatchObject({ code: 'FENCED' })
  await once(worker, 'exit')
  await log.close()
})
