// A file of events, or stdin, as decompressed chunks: what it is is seen by its first bytes, not by its name. Owns reading and gunzip, and how
// their failures are called; looks into no line.
import { createReadStream, type Stats } from 'node:fs'
import { access, constants, open, stat } from 'node:fs/promises'
import { createGunzip, type Gunzip } from 'node:zlib'

const READ_BYTES = 256 << 10
const UNZIPPED_BYTES = 1 << 20
/** What files begin with that something else unpacks, in hex. */
const PACKED = [
  { name: 'zstd', magic: /^28b52ffd/, unpack: 'zstd -dc' },
  { name: 'xz', magic: /^fd377a585a00/, unpack: 'xz -dc' },
  { name: 'bzip2', magic: /^425a683[1-9](31|17)/, unpack: 'bzip2 -dc' },
  { name: 'zip', magic: /^504b0304/, unpack: 'unzip -p' },
] as const
const MAGIC_BYTES = 6

export class InputError extends Error {
  override readonly name = 'InputError'
  readonly code: string
  readonly advice: string

  constructor(code: string, message: string, advice: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
    this.advice = advice
  }
}

/** Bytes that something outside gives. */
export interface ByteSource {
  /** Fails where the input cannot be read to its end. */
  readonly chunks: AsyncIterable<Uint8Array>
  readonly close: () => void
}

export interface Input {
  /** Each is valid until the next one is asked for. */
  readonly chunks: AsyncIterable<Uint8Array>
  /** Bytes on disk; undefined for stdin and pipes. */
  readonly size: number | undefined
  /** How many of them have been read. */
  readonly read: () => number
  /** For who has not read to the end: what is open would keep the process. */
  readonly close: () => void
}

/** Throws INPUT_MISSING, INPUT_IS_FOLDER, INPUT_UNREADABLE: before anything is started for it. */
export async function checkInput(path: string): Promise<Stats | undefined> {
  if (path === '-') return undefined
  let found: Stats
  try {
    found = await stat(path)
  } catch (error) {
    throw new InputError(
      'INPUT_MISSING',
      `${path}: ${(error as Error).message}`,
      'Look at the path; `packmill traffic --out FILE` makes a file.',
      error,
    )
  }
  if (found.isDirectory()) throw new InputError('INPUT_IS_FOLDER', `${path} is a folder`, `Name the files in it, as in ${path}/*.jsonl.gz`)
  try {
    await access(path, constants.R_OK)
  } catch (error) {
    throw unreadable(path, error)
  }
  return found
}

/** The chunks reject with INPUT_PACKED, INPUT_UNREADABLE, GZIP_TRUNCATED, GZIP_CORRUPT, after everything before the fault was given. `stdin`: what `-` is. */
export async function openInput(path: string, stdin?: ByteSource): Promise<Input> {
  const size = await checkInput(path)
  const source = stdin ?? (size?.isFile() ? openFile(path) : openPipe(path))
  let read = 0
  const raw = async function* () {
    try {
      for await (const chunk of source.chunks) {
        read += chunk.length
        yield chunk
      }
    } catch (error) {
      throw unreadable(path, error)
    }
  }
  return {
    chunks: unzipped(raw(), path),
    size: size?.isFile() ? size.size : undefined,
    read: () => read,
    close: source.close,
  }
}

/** Two buffers in turn, one being filled while the other is worked on: a new one for each read costs the collector more than reading. */
function openFile(path: string): ByteSource {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    const file = await open(path)
    try {
      const buffers = [new Uint8Array(READ_BYTES), new Uint8Array(READ_BYTES)] as const
      const fill = (buffer: Uint8Array) => {
        const filled = file.read(buffer, 0, READ_BYTES)
        filled.catch(() => undefined)
        return filled
      }
      let [present, other]: readonly Uint8Array[] = buffers
      for (let filled = fill(present); ; [present, other] = [other, present]) {
        const { bytesRead } = await filled
        if (bytesRead === 0) return
        filled = fill(other)
        yield present.subarray(0, bytesRead)
      }
    } finally {
      await file.close()
    }
  }
  const given = chunks()
  return { chunks: given, close: () => void given.return(undefined) }
}

function openPipe(path: string): ByteSource {
  const stream = createReadStream(path, { highWaterMark: READ_BYTES })
  return { chunks: stream as AsyncIterable<Uint8Array>, close: () => void stream.destroy() }
}

async function* unzipped(chunks: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]()
  // A pipe may give a single byte first.
  let head: Uint8Array = new Uint8Array(0)
  while (head.length < MAGIC_BYTES) {
    const { value, done } = await iterator.next()
    if (done) break
    head = head.length === 0 ? value : Buffer.concat([head, value])
  }
  refusePacked(head, path)
  if (head.length > 0 && !(head[0] === 0x1f && head[1] === 0x8b)) {
    yield head
    yield* { [Symbol.asyncIterator]: () => iterator }
    return
  }
  if (head.length === 0) return
  // One step at a time, the next one under way while the last one's output is worked on: what came before a fault is never lost in a buffer.
  const gunzip = createGunzip({ chunkSize: UNZIPPED_BYTES })
  let next = step(gunzip, head)
  let last: Uint8Array = head
  let given = head.length
  for (let ended = false; ; ) {
    const { output, failure, isOver } = await next
    let fault: unknown = failure && gzipError(failure, path)
    const isLast = ended || isOver
    if (isOver) fault = await padding(last.subarray(last.length - (given - gunzip.bytesWritten)), iterator, path)
    else if (!ended && !fault) {
      try {
        const { value, done } = await iterator.next()
        ended = done === true
        if (value) {
          last = value
          given += value.length
        }
        next = step(gunzip, done ? undefined : value)
      } catch (error) {
        fault = error
      }
    }
    yield* output
    if (fault) throw fault
    if (isLast) return
  }
}

function refusePacked(head: Uint8Array, path: string): void {
  const hex = Buffer.from(head.subarray(0, MAGIC_BYTES)).toString('hex')
  const packed = PACKED.find(({ magic }) => magic.test(hex))
  if (!packed) return
  const { name, unpack } = packed
  throw new InputError(
    'INPUT_PACKED',
    `${path === '-' ? 'stdin' : path} is packed with ${name}; gzip is what is unpacked here`,
    `Unpack it on its way in, as in: ${path === '-' ? `… | ${unpack}` : `${unpack} ${path}`} | packmill import -`,
  )
}

/** Zeros behind the end, which fill up a block of a tape or of a disk, are nothing; anything else is GZIP_CORRUPT. */
async function padding(rest: Uint8Array, iterator: AsyncIterator<Uint8Array>, path: string): Promise<unknown> {
  try {
    for (let chunk: Uint8Array | undefined = rest; chunk; chunk = (await iterator.next()).value as Uint8Array | undefined)
      if (chunk.some((byte) => byte !== 0)) return gzipError(new Error('something else follows its end'), path)
    return undefined
  } catch (error) {
    return error
  }
}

/** Decompresses one chunk, or, without one, what is left. `isOver`: the compressed data has ended within the chunk. */
function step(gunzip: Gunzip, chunk: Uint8Array | undefined): Promise<{ output: Uint8Array[]; failure?: Error; isOver: boolean }> {
  const output: Uint8Array[] = []
  return new Promise((resolve) => {
    const onData = (bytes: Uint8Array) => output.push(bytes)
    const finish = (failure?: Error | null, isOver = false) => {
      gunzip.off('data', onData).off('error', finish).off('end', onEnd)
      // Whoever reads no more must not lose what comes between two steps.
      gunzip.pause()
      resolve({ output, failure: failure ?? undefined, isOver })
    }
    const onEnd = () => finish(undefined, chunk !== undefined)
    gunzip.on('data', onData).once('error', finish).once('end', onEnd)
    gunzip.resume()
    if (chunk) gunzip.write(chunk, (error) => error ?? finish())
    else gunzip.end()
  })
}

function gzipError(error: Error & { code?: string }, path: string): InputError {
  if (error.code === 'Z_BUF_ERROR')
    return new InputError(
      'GZIP_TRUNCATED',
      `${path} ends in the middle of its compressed data`,
      'What came before is kept. Get the whole file and import it again: nothing is counted twice.',
      error,
    )
  return new InputError(
    'GZIP_CORRUPT',
    `${path} is no valid gzip: ${error.message}`,
    'What came before is kept. Get an undamaged copy and import it again: nothing is counted twice.',
    error,
  )
}

const unreadable = (path: string, error: unknown) =>
  new InputError(
    'INPUT_UNREADABLE',
    `${path} cannot be read: ${(error as Error).message}`,
    'Give this user the right to read it, or look at the disk.',
    error,
  )
