// Reads what other processes append to an embedded log, from its files, as they grow: a consumer that the log knows nothing of. Sees a frame when its bytes are
// there, which is before their flush has ended. Owns its place in each file; writes nothing, and keeps no file from being deleted.
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { bodyParts } from '../../../stores/log/frame.ts'
import { readHead } from '../../../stores/log/journal-file.ts'

interface Followed {
  fd: number
  seq: number
  position: number
}

const NAME = /^(.+)-(\d+)-(\d+)\.jnl$/

export class JournalTail {
  private readonly folder: string
  private readonly topic: string
  /** By writer and incarnation. */
  private readonly files = new Map<string, Followed>()
  /** Names of files by writer, those behind what is followed. */
  private waiting = new Map<string, { seq: number; name: string }[]>()

  constructor(folder: string, topic: string) {
    this.folder = folder
    this.topic = topic
  }

  /** Looks which files there are: new ones are read from their beginning. To be called now and then. */
  list(): void {
    this.waiting = new Map()
    for (const name of readdirSync(this.folder)) {
      const [, writer, incarnation, seq] = NAME.exec(name) ?? []
      if (writer === undefined) continue
      const key = `${writer}-${incarnation}`
      if (Number(seq) <= (this.files.get(key)?.seq ?? -1)) continue
      this.waiting.set(key, [...(this.waiting.get(key) ?? []), { seq: Number(seq), name }])
    }
    for (const [key, list] of this.waiting) {
      list.sort((a, b) => a.seq - b.seq)
      if (!this.files.has(key)) this.follow(key)
    }
  }

  /** Records of the topic that came since it was asked before. */
  read(onRecord: (text: string) => void): void {
    for (const key of [...this.files.keys()])
      for (;;) {
        this.readFrames(this.files.get(key)!, onRecord)
        // The file before is complete when there is a next one.
        if (!this.waiting.get(key)?.length) break
        this.readFrames(this.files.get(key)!, onRecord)
        this.follow(key)
      }
  }

  close(): void {
    for (const { fd } of this.files.values()) closeSync(fd)
    this.files.clear()
  }

  private follow(key: string): void {
    const { seq, name } = this.waiting.get(key)!.shift()!
    const before = this.files.get(key)
    if (before) closeSync(before.fd)
    this.files.set(key, { fd: openSync(join(this.folder, name), 'r'), seq, position: 0 })
  }

  private readFrames(followed: Followed, onRecord: (text: string) => void): void {
    const { fd } = followed
    const { size } = fstatSync(fd)
    const file = {
      size,
      readSync: (target: Uint8Array, position: number) => readSync(fd, target, 0, target.length, position),
      close: () => undefined,
    }
    while (followed.position < size) {
      const head = readHead(file, followed.position)
      if (!head || head.end > size) return
      let block = 0
      for (const { position, length } of bodyParts(head)) {
        if (head.blocks[block++]?.[0] !== this.topic) continue
        const bytes = Buffer.allocUnsafe(length)
        readSync(fd, bytes, 0, length, position)
        for (const line of bytes.toString('utf8').trimEnd().split('\n')) onRecord(line)
      }
      followed.position = head.end
    }
  }
}
