// One bit of a stored value, turned on the disk: for tests of what meets it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { realFiles } from '../files/real-files.ts'
import { checkpointEpoch, keyOf, readEntries } from './checkpoint-file.ts'

/** In the oldest finished file that has a value of such a key. Returns that key, or undefined where there is none. Flipped again it is as it was. */
export function flipValue(folder: string, isOne: (key: Buffer) => boolean = () => true): Buffer | undefined {
  const epochs = readdirSync(folder).flatMap((name) => checkpointEpoch(name) ?? [])
  for (const epoch of epochs.sort((a, b) => a - b)) {
    const path = join(folder, `ckpt-${epoch}.ckp`)
    const file = realFiles.open(path)
    try {
      for (const entry of readEntries(file, path)) {
        const key = keyOf(entry)
        // Of what is deleted the length is all ones.
        if (entry.length === 0 || entry.position + entry.length > file.size || !isOne(key)) continue
        const bytes = readFileSync(path)
        bytes[entry.position] ^= 1
        writeFileSync(path, bytes)
        return Buffer.from(key)
      }
    } finally {
      file.close()
    }
  }
  return undefined
}
