// The baseline: JSON.parse of each event's slice of the same blocks, read through the same reader. Nothing is done with the objects.
import { defaults } from '../../config/index.ts'
import type { Log } from '../../engine/log/contract.ts'
import { TOPIC } from './workload.ts'

/** Parses the records of these partitions that the log gives, from `from` on (by partition), which is moved on; returns how many there are. */
export async function parseAll(log: Pick<Log, 'reader'>, partitions: readonly number[], from: number[] = []): Promise<number> {
  let rows = 0
  for (const partition of partitions) {
    const reader = log.reader({ topic: TOPIC, partition })
    for (;;) {
      const { bytes, blocks, next } = await reader.read(from[partition] ?? 0, defaults.engine.epochBytes)
      if (blocks.length === 0) break
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      for (const { pos, length } of blocks) rows += parseBlock(buffer, pos, pos + length)
      from[partition] = next
    }
    reader.close()
  }
  return rows
}

function parseBlock(bytes: Buffer, start: number, end: number): number {
  let rows = 0
  while (start < end) {
    const newline = bytes.indexOf(10, start)
    const event = JSON.parse(bytes.toString('utf8', start, newline)) as { type: string }
    if (event.type !== '') rows++
    start = newline + 1
  }
  return rows
}
