// Bytes of files below a folder. What is deleted meanwhile does not count.
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

export function folderBytes(folder: string): number {
  let bytes = 0
  for (const name of listed(folder)) {
    const path = join(folder, name)
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found) bytes += found.isDirectory() ? folderBytes(path) : found.size
  }
  return bytes
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
