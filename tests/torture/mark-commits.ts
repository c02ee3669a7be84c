// Loaded into each thread of a process to be killed before anything else (`--import`): makes it visible from outside that an epoch is being committed.
//
// Each journal of a lane has a file of its name in the folder TORTURE_MARKS. It is COMMITTING from before the first byte of a frame is written until the
// answer of its sync has come; nothing of the product is changed by it.
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { basename, join } from 'node:path'
import { realFiles } from '../../stores/files/real-files.ts'

export const COMMITTING = '1'

const folder = process.env.TORTURE_MARKS
const { create } = realFiles
if (folder !== undefined)
  realFiles.create = async (path) => {
    const file = await create(path)
    if (!/^lane.*\.jnl$/.test(basename(path))) return file
    const markPath = join(folder, basename(path))
    const mark = openSync(markPath, 'w')
    return {
      append(bytes) {
        writeSync(mark, COMMITTING, 0)
        return file.append(bytes)
      },
      sync: () => file.sync().finally(() => writeSync(mark, '0', 0)),
      close() {
        closeSync(mark)
        unlinkSync(markPath)
        return file.close()
      },
    }
  }
