// A thread that reads a topic of incidents as a consumer of its own, and notes when it had each first version.
import { parentPort, workerData } from 'node:worker_threads'
import type { IncidentRow } from '../../model/rows.ts'
import type { SharedLog } from '../../stores/log/shared-log.ts'
import { preciseNow } from './live.ts'
import { openLog } from './workload.ts'

export interface ReaderOrder {
  shared: SharedLog
  folder: string
  topic: string
  kind: string
  partitions: number
}

export interface ReaderAnswer {
  /** `last_at` of each incident, its organisation, and when it was read. */
  lastAt: number[]
  org: string[]
  readMs: number[]
}

const READ_BYTES = 1 << 20

const { shared, folder, topic, kind, partitions } = workerData as ReaderOrder
const log = await openLog(folder, 'reader', shared)
const readers = await Promise.all(
  Array.from({ length: partitions }, async (_, partition) => ({
    reader: log.reader({ topic, partition }),
    // What was there before is nobody's latency.
    next: (await log.bounds({ topic, partition })).end,
  })),
)
let answer: ReaderAnswer = { lastAt: [], org: [], readMs: [] }
parentPort!.on('message', () => {
  parentPort!.postMessage({ type: 'taken', ...answer })
  answer = { lastAt: [], org: [], readMs: [] }
})
parentPort!.postMessage({ type: 'ready' })
for (;;) {
  for (const each of readers)
    for (let read = await each.reader.read(each.next, READ_BYTES); read.blocks.length > 0; ) {
      const nowMs = preciseNow()
      for (const { pos, length, baseOffset } of read.blocks) {
        const lines = Buffer.from(read.bytes.buffer, read.bytes.byteOffset + pos, length)
          .toString()
          .trimEnd()
          .split('\n')
        for (const [i, line] of lines.entries()) {
          if (baseOffset + i < each.next) continue
          const row = JSON.parse(line) as IncidentRow
          if (row.kind !== kind || row.version !== 1) continue
          answer.lastAt.push(row.last_at)
          answer.org.push(row.org_id)
          answer.readMs.push(nowMs)
        }
      }
      each.next = read.next
      read = await each.reader.read(each.next, READ_BYTES)
    }
  await log.changed()
}
