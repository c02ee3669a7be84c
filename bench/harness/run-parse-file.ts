// The bare baseline of an import: JSON.parse of each line of the file, read in chunks on one thread; in a process of its own.
import { createReadStream } from 'node:fs'
import { answer, type Cost, measuring } from './in-child.ts'

const CHUNK_BYTES = 1 << 20

export interface ParseFileAnswer extends Cost {
  rows: number
}

await answer(async ({ file }: { file: string }): Promise<ParseFileAnswer> => {
  const end = measuring()
  let rows = 0
  let rest = Buffer.alloc(0)
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES })) {
    const bytes = Buffer.concat([rest, chunk as Buffer])
    let start = 0
    for (let newline: number; (newline = bytes.indexOf(10, start)) >= 0; start = newline + 1) {
      const event = JSON.parse(bytes.toString('utf8', start, newline)) as { type: string }
      if (event.type !== '') rows++
    }
    rest = bytes.subarray(start)
  }
  return { ...end(), rows }
})
