// The log after the load, read again: is each event that was acknowledged there, once?
import { answer } from './in-child.ts'
import { LINEAGE, openLog, PARTITIONS, TOPIC } from './workload.ts'

export interface RecountOrder {
  folder: string
  /** Numbers of events are 0 … events − 1. */
  events: number
}

export interface RecountAnswer {
  records: number
  missing: number
  /** More than once, or with a number that none was sent with. */
  unexpected: number
}

const KEY = Buffer.from('"eventId":"')
const UUID_CHARS = 36
const ID_DIGITS = 12

await answer(async ({ folder, events }: RecountOrder): Promise<RecountAnswer> => {
  const log = await openLog(folder, `recount-${LINEAGE}`)
  const seen = new Uint8Array(events)
  let records = 0
  let unexpected = 0
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const reader = log.reader({ topic: TOPIC, partition })
    for (let read = await reader.read(0, 16 << 20); read.blocks.length > 0; read = await reader.read(read.next, 16 << 20)) {
      for (const { pos, length, count } of read.blocks) {
        const bytes = Buffer.from(read.bytes.buffer, read.bytes.byteOffset + pos, length)
        let lines = 0
        for (let start = 0; start < length; lines++) {
          const at = bytes.indexOf(KEY, start) + KEY.length + UUID_CHARS
          const id = Number.parseInt(bytes.toString('latin1', at - ID_DIGITS, at), 16)
          if (id < events && seen[id] === 0) seen[id] = 1
          else unexpected++
          start = bytes.indexOf(10, at) + 1
        }
        if (lines !== count) throw new Error(`a block of partition ${partition} has ${lines} lines, and says ${count}`)
        records += count
      }
    }
    reader.close()
  }
  await log.close()
  return { records, missing: seen.reduce((sum, is) => sum - is, events), unexpected }
})
