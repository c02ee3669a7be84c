// Takes a folder's files out of the system's file cache, so that they are read from the disk as after a restart of the machine.
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** These files only, not what others on the machine rely on. False where there is no dd that can (it is GNU's). */
export function dropCache(folder: string): boolean {
  try {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) {
        const file = join(entry.parentPath, entry.name)
        // Copies nothing: what is not on the disk yet is written there, then its pages are given up.
        execFileSync('dd', [`of=${file}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none'], { stdio: 'ignore' })
      }
    return true
  } catch {
    return false
  }
}
