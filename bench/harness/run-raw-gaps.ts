// The raw baseline of pause: what the machine takes for the same commits. One loop that writes and syncs so many bytes so often, beside one that does so for the
// load, and what the checkpoint writes, in slices between the commits and synced beside them. Nothing of the engine.
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Gaps, told } from './gaps.ts'
import { answer } from './in-child.ts'

/** Commits of a file: so many a second, each of so many bytes. */
export interface RawCommits {
  perSecond: number
  bytes: number
}

export interface RawGapsOrder {
  folder: string
  seconds: number
  commits: RawCommits
  load: RawCommits
  /** In all. */
  checkpointBytes: number
}

/** Of the time, when the checkpoint has been written: commits go on beside its sync, too. */
const WRITTEN_BY = 0.8
/** All of it synced at once, at the end, held commits up for 160 to 240 ms; so, for 10 to 20. */
const SYNC_BYTES = 1 << 20

await answer(async ({ folder, seconds, commits, load, checkpointBytes }: RawGapsOrder): Promise<Gaps> => {
  const startMs = performance.now()
  const loop = async (name: string, { perSecond, bytes }: RawCommits, beside?: () => Promise<void>): Promise<number[]> => {
    const file = await open(join(folder, name), 'wx')
    const content = filled(bytes)
    const gaps: number[] = []
    let endMs = startMs
    for (let n = 1; n <= seconds * perSecond; n++) {
      const dueMs = startMs + (n * 1000) / perSecond
      const waitMs = dueMs - performance.now()
      if (waitMs > 0) await sleep(waitMs)
      await file.writev([content])
      await file.datasync()
      const nowMs = performance.now()
      // From when it is due, as a gap of the engine is from when there is input.
      gaps.push(nowMs - Math.max(endMs, dueMs))
      endMs = nowMs
      await beside?.()
    }
    await file.close()
    return gaps
  }
  const checkpoint = await open(join(folder, 'raw-checkpoint'), 'wx')
  const slice = filled(Math.ceil(checkpointBytes / (seconds * commits.perSecond * WRITTEN_BY)))
  let left = checkpointBytes
  let unsynced = 0
  let synced: Promise<void> | undefined
  const writeSlice = async () => {
    if (left > 0) {
      left -= slice.length
      unsynced += slice.length
      await checkpoint.writev([slice])
    }
    // No commit waits for it.
    if (synced !== undefined || unsynced < (left > 0 ? SYNC_BYTES : 1)) return
    unsynced = 0
    synced = checkpoint.datasync().then(() => {
      synced = undefined
    })
  }
  const [gaps] = await Promise.all([loop('raw-commits', commits, writeSlice), loop('raw-load', load)])
  await synced
  await checkpoint.close()
  return told(gaps)
})

function filled(bytes: number): Buffer {
  return Buffer.alloc(bytes, 'a raw byte is as good as any other; ')
}
