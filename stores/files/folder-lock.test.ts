import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { folderOwner, type LockOwner, lockFolder } from './folder-lock.ts'

/** A lock as that process would have written it. */
const textOf = (owner: LockOwner) => JSON.stringify({ ...owner, crc: crc32(JSON.stringify(owner)) })

describe('The lock of a data folder', () => {
  let folder: string
  let path: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'packmill-lock-'))
    path = join(folder, 'owner.lock')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('is refused while its holder lives, naming the process and since when, and given after a release', () => {
    const lock = lockFolder(folder)
    expect(folderOwner(folder)).toEqual(lock.owner)
    expect(() => lockFolder(folder)).toThrow(
      expect.objectContaining({
        code: 'DATA_LOCKED',
        message: expect.stringMatching(new RegExp(`process ${process.pid} .*${lock.owner.since}`)),
      }),
    )
    lock.release()
    expect(folderOwner(folder)).toBeUndefined()
    lockFolder(folder).release()
    expect(readdirSync(folder)).toEqual([])
  })

  it('is refused for a file, below a file, and where no folder can be made, with what to do', () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    for (const below of [file, join(file, 'a', 'b')])
      expect(() => lockFolder(below)).toThrow(
        expect.objectContaining({ code: 'DATA_NOT_A_FOLDER', message: `${file} is a file.`, advice: expect.stringContaining('--data') }),
      )
    lockFolder(join(folder, 'a', 'b')).release()
    if (existsSync('/proc/self/stat')) expect(() => lockFolder('/proc/none')).toThrow(expect.objectContaining({ code: 'DATA_READ_ONLY' }))
  })

  it('is refused while another process holds it', async () => {
    const holder = spawn(process.execPath, [
      '--input-type=module',
      '-e',
      `import { lockFolder } from ${JSON.stringify(join(import.meta.dirname, 'folder-lock.ts'))}
       lockFolder(${JSON.stringify(folder)}); console.log('held'); setInterval(() => {}, 1000)`,
    ])
    await once(holder.stdout, 'data')
    expect(() => lockFolder(folder)).toThrow(
      expect.objectContaining({ code: 'DATA_LOCKED', message: expect.stringContaining(`process ${holder.pid}`) }),
    )
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    lockFolder(folder).release()
  })

  it('is taken over from a process that is gone, and from one whose pid another process has now', () => {
    const gone = spawnSync(process.execPath, ['-e', '']).pid
    const owner = { ...lockFolder(folder).owner }
    for (const stale of [
      { ...owner, pid: gone },
      { ...owner, startTime: '1' },
    ]) {
      // Only a kernel that tells start times can tell the two processes apart.
      if (stale.pid === owner.pid && !existsSync('/proc/self/stat')) continue
      writeFileSync(path, textOf(stale))
      expect(folderOwner(folder)).toBeUndefined()
      const lock = lockFolder(folder)
      expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject(lock.owner)
    }
  })

  it('of another host is taken over once its heartbeat is half a minute old', () => {
    const lock = lockFolder(folder)
    writeFileSync(path, textOf({ ...lock.owner, host: 'elsewhere' }))
    expect(() => lockFolder(folder)).toThrow(expect.objectContaining({ code: 'DATA_LOCKED' }))
    const old = new Date(Date.now() - 31_000)
    utimesSync(path, old, old)
    lockFolder(folder).release()
  })

  it('of a process that lives, damaged, is still its own; nobody’s when its heartbeat is half a minute old', () => {
    lockFolder(folder)
    const text = readFileSync(path, 'utf8')
    // Another process, which is gone; and no JSON any more.
    for (const damaged of [text.replace(String(process.pid), '4194305'), text.slice(1), `${text}x`]) {
      writeFileSync(path, damaged)
      expect(() => lockFolder(folder)).toThrow(expect.objectContaining({ code: 'DATA_LOCKED' }))
    }
    const old = new Date(Date.now() - 31_000)
    utimesSync(path, old, old)
    lockFolder(folder).release()
  })

  it('that was emptied by a power loss is nobody’s', () => {
    writeFileSync(path, '')
    lockFolder(folder).release()
  })

  it('a release does not remove a lock that is another owner’s by now', () => {
    const lock = lockFolder(folder)
    writeFileSync(path, textOf({ ...lock.owner, pid: 1 }))
    lock.release()
    expect(existsSync(path)).toBe(true)
  })

  it('a network file system is refused', () => {
    expect(() => lockFolder(folder, { type: 0x6969 })).toThrow(expect.objectContaining({ code: 'DATA_ON_NETWORK' }))
    expect(readdirSync(folder)).toEqual([])
  })

  it.runIf(process.platform === 'linux')('a folder that cannot be written is DATA_READ_ONLY', () => {
    expect(() => lockFolder('/sys/packmill')).toThrow(expect.objectContaining({ code: 'DATA_READ_ONLY' }))
  })
})
