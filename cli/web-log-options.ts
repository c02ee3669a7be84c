// Options that say something of web logs alone: where no input is one, they would do nothing. Owns the refusal; what a file is, its first lines tell.
import type { Stats } from 'node:fs'
import { openInput } from '../services/process/open-input.ts'
import { formatOf, type LineFormat, LOOK_BYTES } from '../services/process/web-log.ts'

interface Asked {
  format: 'auto' | LineFormat
  product?: string
  skip?: readonly string[]
}

/** The same chunks, of an input that cannot be read twice. */
export type Look = (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>

/**
 * Refuses before anything is read in, where all inputs are files of JSON lines. Returns how to look at the others (stdin, pipes) in their turn;
 * undefined where there is nothing to look for. `refuse` throws.
 */
export async function checkWebLogOptions(
  { format, product, skip }: Asked,
  files: readonly string[],
  found: readonly (Stats | undefined)[],
  refuse: (message: string) => never,
): Promise<Look | undefined> {
  const given = [...(product === undefined ? [] : ['--product']), ...(skip === undefined ? [] : ['--skip'])]
  if (given.length === 0 || format === 'combined') return undefined
  const wrong = (what: string) =>
    refuse(`${given.join(' and ')} ${given.length > 1 ? 'are' : 'is'} for web logs (docs/web-logs.md), and ${what} JSON lines`)
  if (format === 'jsonl') wrong('--format jsonl says that these are')
  let unknown = 0
  for (const [i, file] of files.entries()) {
    if (!found[i]?.isFile()) unknown++
    else {
      const input = await openInput(file)
      const { head } = await headOf(input.chunks[Symbol.asyncIterator]())
      input.close()
      if (mayBeLog(head)) return undefined
    }
  }
  const last = files.length === 1 ? `${files[0] === '-' ? 'stdin' : files[0]} holds` : 'none of the inputs holds anything but'
  if (unknown === 0) wrong(last)
  return async function* (chunks) {
    const rest = chunks[Symbol.asyncIterator]()
    const { head, fault } = await headOf(rest)
    if (mayBeLog(head)) unknown = Number.POSITIVE_INFINITY
    else if (--unknown === 0) wrong(last)
    yield head
    if (fault) throw fault
    yield* { [Symbol.asyncIterator]: () => rest }
  }
}

/** An empty one may have been a log, before it was rotated. */
const mayBeLog = (head: Uint8Array) => formatOf(head) === 'combined' || Buffer.from(head).toString('latin1').trim() === ''

/** As much as is looked at. A fault within it is the import's to name, behind what came before it. */
async function headOf(chunks: AsyncIterator<Uint8Array>): Promise<{ head: Buffer; fault?: unknown }> {
  const parts: Buffer[] = []
  let fault: unknown
  try {
    for (let size = 0; size < LOOK_BYTES; ) {
      const { value, done } = await chunks.next()
      if (done) break
      parts.push(Buffer.from(value))
      size += value.length
    }
  } catch (error) {
    fault = error
  }
  return { head: Buffer.concat(parts), fault }
}
