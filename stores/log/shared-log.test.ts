// The names of one process: each import claims one of its own, and a process runs for months.
import { expect, it } from 'vitest'
import { SimDisk, SimFiles } from '../../tests/sim/sim-files.ts'
import { openJournalLog } from './journal-log.ts'
import { prepareLog } from './prepare-log.ts'
import { localWaits, newSharedLog, SharedView } from './shared-log.ts'

it('a process that imports a file a minute for a month has a slot for each, its own', () => {
  const view = new SharedView(newSharedLog(['main'], new Map(), 1))
  const slots = new Set<number>()
  for (let n = 0; n < 30 * 24 * 60; n++) slots.add(view.slot(`import.main.${n}`))
  expect(slots.size).toBe(30 * 24 * 60)
  expect(slots.has(view.slot('import.main.7'))).toBe(true)
})

it('a name too many is LOG_NAMES_FULL, with what to do; names that were claimed go on and fence, and a restart has room', async () => {
  const files = new SimFiles(new SimDisk())
  const open = async () => {
    const shared = await prepareLog({ files, folder: '/log', writers: ['main'], namesMax: 8 })
    return openJournalLog({ files, folder: '/log', writer: 'main', shared, waits: localWaits(), nowMs: () => 1 })
  }
  const log = await open()
  for (let n = 0; n < 8; n++) {
    const claim = await log.claim(`import.${n}`)
    await claim.commit({ outputs: [], receipt: { epoch: 1, to: n } })
    await claim.release()
  }
  await expect(log.claim('import.8')).rejects.toMatchObject({
    code: 'LOG_NAMES_FULL',
    retryable: false,
    message: expect.stringContaining('import.8'),
    advice: expect.stringContaining('Restart the process'),
  })
  const first = await log.claim('import.3')
  const second = await log.claim('import.3')
  expect(second.last).toEqual({ epoch: 1, to: 3 })
  await expect(first.commit({ outputs: [], receipt: { epoch: 2, to: 4 } })).rejects.toMatchObject({ code: 'FENCED' })
  await second.commit({ outputs: [], receipt: { epoch: 2, to: 5 } })
  await log.close()
  const again = await open()
  await (await again.claim('import.8')).commit({ outputs: [], receipt: { epoch: 1, to: 8 } })
  expect((await again.claim('import.3')).last).toEqual({ epoch: 2, to: 5 })
  await again.close()
})
