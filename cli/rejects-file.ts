// The rejected lines of imports, one JSON object per line: { line, code, field?, message, text, file? }. Owns the file: it is made with the first of
// them, and an import that is resumed leaves in it what an earlier run found, once.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { RejectedLine } from '../model/door.ts'

const BUFFER_CHARS = 256 << 10

export class RejectsFile {
  readonly path: string
  count = 0
  /** The first reason of each kind, and how often it came: what a person needs to see. */
  readonly reasons = new Map<string, { message: string; line: number; count: number }>()
  private readonly label: string | undefined
  private buffered: string[] = []
  private bufferedChars = 0
  private isNew = true

  /** `label`: names the input where several share the file. */
  constructor(path: string, label?: string) {
    this.path = path
    this.label = label
  }

  /** An earlier run of the same import has told of the lines up to this one: what the file holds of them stays, and only that. */
  resume(lines: number): void {
    if (lines === 0 && this.label === undefined) return
    this.isNew = false
    if (!existsSync(this.path)) return
    const kept = readFileSync(this.path, 'utf8')
      .split('\n')
      .filter((text) => text !== '' && this.stays(text, lines))
    writeFileSync(this.path, kept.map((text) => `${text}\n`).join(''))
  }

  add(line: number, bytes: Uint8Array, { code, field, message }: RejectedLine): void {
    this.count++
    const reason = this.reasons.get(`${code} ${field ?? ''}`)
    if (reason) reason.count++
    else this.reasons.set(`${code} ${field ?? ''}`, { message, line, count: 1 })
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      .toString('utf8')
      .replace(/[\r\n]+$/, '')
    const json = `${JSON.stringify({ line, code, field, message, text, file: this.label })}\n`
    this.buffered.push(json)
    this.bufferedChars += json.length
    if (this.bufferedChars >= BUFFER_CHARS) this.flush()
  }

  /** Writes what was added. */
  flush(): void {
    if (this.buffered.length === 0) return
    const text = this.buffered.join('')
    this.buffered = []
    this.bufferedChars = 0
    if (this.isNew) writeFileSync(this.path, text)
    else appendFileSync(this.path, text)
    this.isNew = false
  }

  private stays(text: string, lines: number): boolean {
    try {
      const { line, file } = JSON.parse(text) as { line: number; file?: string }
      return file !== this.label || line <= lines
    } catch {
      return false
    }
  }
}
