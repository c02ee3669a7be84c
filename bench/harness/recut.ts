// The input's records in blocks of another size: what a door makes that commits more often, or more rarely, than an import.
import { mkdirSync, rmSync } from 'node:fs'
import { allPartitions, type Input, openLog, roundFolder, TOPIC } from './workload.ts'

const NEWLINE = 10
/** Of one partition, before the others follow. */
const TURN_BYTES = 512 << 10

/** A data folder's log with the same records at the same offsets, in blocks of at most `blockBytes` (a longer record is a block of its own). */
export async function recut(input: Input, folder: string, blockBytes: number): Promise<Input> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const source = roundFolder(input, `${folder}/source`)
  const [from, to] = await Promise.all([openLog(source, 'lane-0'), openLog(folder, 'input')])
  const claim = await to.claim('recut')
  const readers = allPartitions.map((partition) => ({ partition, reader: from.reader({ topic: TOPIC, partition }), next: 0 }))
  let epoch = 0
  for (let left = readers; left.length > 0; ) {
    const more: typeof readers = []
    for (const each of left) {
      const { bytes, blocks, next } = await each.reader.read(each.next, TURN_BYTES)
      if (blocks.length === 0) continue
      const outputs = blocks.flatMap(({ pos, length }) =>
        cut(bytes.subarray(pos, pos + length), blockBytes).map((piece) => ({ topic: TOPIC, partition: each.partition, ...piece })),
      )
      await claim.commit({ outputs, receipt: { epoch: ++epoch, to: 0 } })
      each.next = next
      more.push(each)
    }
    left = more
  }
  for (const log of [from, to]) await log.close()
  rmSync(source, { recursive: true })
  return { ...input, folder }
}

/** Pieces of whole lines. The bytes are copied: the reader fills its buffer again. */
function cut(lines: Uint8Array, bytesMax: number): { count: number; bytes: Uint8Array }[] {
  const pieces: { count: number; bytes: Uint8Array }[] = []
  let start = 0
  let count = 0
  for (let end = 0; end < lines.length; count++) {
    const next = lines.indexOf(NEWLINE, end) + 1
    if (count > 0 && next - start > bytesMax) {
      pieces.push({ count, bytes: lines.slice(start, end) })
      start = end
      count = 0
    }
    end = next
  }
  pieces.push({ count, bytes: lines.slice(start) })
  return pieces
}
