// What of the real files' operations no conformance suite sees.
import { closeSync, existsSync, fstatSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { realFiles } from './real-files.ts'

it('a file that is discarded loses its name at once, and its bytes in parts; one that is not there is an error', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-files-'))
  const path = join(folder, 'large')
  writeFileSync(path, Buffer.alloc(10 << 20))
  const handle = openSync(path, 'r')
  try {
    const discarded = realFiles.discard(path)
    const sizes = new Set<number>()
    let isOver = false
    const over = discarded.then(() => (isOver = true))
    while (!isOver) {
      if (!existsSync(path)) sizes.add(fstatSync(handle).size >> 20)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await over
    expect(existsSync(path)).toBe(false)
    // What is left goes when it is closed.
    expect([...sizes]).toEqual(expect.arrayContaining([6, 2]))
    await expect(realFiles.discard(path)).rejects.toThrow('ENOENT')
  } finally {
    closeSync(handle)
    rmSync(folder, { recursive: true })
  }
})
