// The embedded log: the contract over the real file system and over the simulated one, then what only journals have.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LogUnderTest, logConformance } from '../../engine/log/contract.conformance.ts'
import { SimDisk, SimFiles } from '../../tests/sim/sim-files.ts'
import type { Files } from '../files/files.ts'
import { realFiles } from '../files/real-files.ts'
import { type JournalLog, openJournalLog } from './journal-log.ts'
import { prepareLog } from './prepare-log.ts'
import { localWaits, type SharedLog, type Waits } from './shared-log.ts'

const WRITERS = ['main', 'lane-0', 'lane-1', 'sinks']

/** Small files, so that the contract is kept over rolls too. */
function journalStore(folder: string, newFiles: () => Files, dispose: () => void, newWaits?: () => Waits): LogUnderTest {
  let open: JournalLog[] = []
  let shared: SharedLog
  let files: Files
  let waits: Waits | undefined
  const openOne = async (): Promise<JournalLog> => {
    const log = await openJournalLog({ files, folder, writer: WRITERS[open.length], shared, waits, journalBytes: 700 })
    open.push(log)
    return log
  }
  return {
    async open() {
      for (const log of open) await log.close()
      open = []
      files = newFiles()
      waits = newWaits?.()
      shared = await prepareLog({ files, folder, writers: WRITERS })
      return openOne()
    },
    openBeside: openOne,
    async kill() {
      if (files instanceof SimFiles) files.cut()
      open = []
    },
    dispose: async () => dispose(),
  }
}

logConformance('The journal over real files', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-log-'))
  return journalStore(
    join(folder, 'log'),
    () => realFiles,
    () => rmSync(folder, { recursive: true }),
  )
})

logConformance('The journal over simulated files', async () => {
  const disk = new SimDisk()
  return journalStore(
    '/log',
    () => new SimFiles(disk),
    () => undefined,
    localWaits,
  )
})
