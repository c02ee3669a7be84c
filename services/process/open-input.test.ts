// Inputs that can be opened and then not be read. (What is refused before it is opened, and damaged gzip: import.test.ts.)
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { needs } from '../../tests/require.ts'
import { type ByteSource, openInput } from './open-input.ts'

async function readAll(path: string, stdin?: ByteSource): Promise<{ text: string; error: unknown }> {
  const input = await openInput(path, stdin)
  let text = ''
  try {
    for await (const chunk of input.chunks) text += Buffer.from(chunk).toString()
    return { text, error: undefined }
  } catch (error) {
    return { text, error }
  } finally {
    input.close()
  }
}

test('a stream that fails is INPUT_UNREADABLE, after everything before was given', async () => {
  async function* chunks() {
    yield Buffer.from('{"a":1}\n')
    throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })
  }
  const { text, error } = await readAll('-', { chunks: chunks(), close: () => undefined })
  expect(text).toBe('{"a":1}\n')
  expect(error).toMatchObject({ code: 'INPUT_UNREADABLE', message: expect.stringContaining('EIO'), advice: expect.stringMatching(/./) })
})

test.each([
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x08], 'zstd -dc'],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], 'xz -dc'],
  ['bzip2', [...Buffer.from('BZh91AY&SY')], 'bzip2 -dc'],
  ['zip', [0x50, 0x4b, 0x03, 0x04, 0x14, 0x00], 'unzip -p'],
])('what %s has packed is INPUT_PACKED, and says what unpacks it, however it comes', async (name, bytes, unpack) => {
  async function* chunks() {
    for (const byte of bytes) yield Uint8Array.of(byte)
  }
  const { text, error } = await readAll('-', { chunks: chunks(), close: () => undefined })
  expect(text).toBe('')
  expect(error).toMatchObject({
    code: 'INPUT_PACKED',
    message: expect.stringContaining(name),
    advice: expect.stringContaining(`${unpack} | packmill import -`),
  })
})

describe('a gzip', () => {
  const lines = '{"a":1}\n'.repeat(1000)
  async function* chunks(...parts: Uint8Array[]) {
    yield* parts
  }
  const read = (...parts: Uint8Array[]) => readAll('-', { chunks: chunks(...parts), close: () => undefined })

  test('that is filled up with zeros ends before them', async () => {
    const padded = Buffer.concat([gzipSync(lines), Buffer.alloc(512)])
    expect(await read(padded)).toEqual({ text: lines, error: undefined })
    expect(await read(padded, Buffer.alloc(1 << 20))).toEqual({ text: lines, error: undefined })
    expect(await read(Buffer.concat([gzipSync(lines), gzipSync(lines)]))).toEqual({ text: lines + lines, error: undefined })
  })

  test('behind whose zeros anything follows is GZIP_CORRUPT, after all of it was given', async () => {
    const padded = Buffer.concat([gzipSync(lines), Buffer.alloc(512)])
    for (const more of [Buffer.from('x'), gzipSync(lines)])
      for (const parts of [[Buffer.concat([padded, more])], [padded, Buffer.alloc(10), more]]) {
        const { text, error } = await read(...parts)
        expect(text).toBe(lines)
        expect(error).toMatchObject({ code: 'GZIP_CORRUPT' })
      }
  })
})

// Nobody, root included, can read the first byte of its own memory.
const UNREADABLE = '/proc/self/mem'

describe.runIf(needs('a file that nobody can read', UNREADABLE, 'run the tests on Linux'))('a file that is there', () => {
  test('and whose first read fails is INPUT_UNREADABLE, naming it', async () => {
    const { text, error } = await readAll(UNREADABLE)
    expect(text).toBe('')
    expect(error).toMatchObject({ code: 'INPUT_UNREADABLE', message: expect.stringContaining(UNREADABLE) })
  })
})
