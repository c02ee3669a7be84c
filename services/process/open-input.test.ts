// Inputs that can be opened and then not be read. (What is refused before it is opened, and damaged gzip: import.test.ts.)
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

// Nobody, root included, can read the first byte of its own memory.
const UNREADABLE = '/proc/self/mem'

describe.runIf(needs('a file that nobody can read', UNREADABLE, 'run the tests on Linux'))('a file that is there', () => {
  test('and whose first read fails is INPUT_UNREADABLE, naming it', async () => {
    const { text, error } = await readAll(UNREADABLE)
    expect(text).toBe('')
    expect(error).toMatchObject({ code: 'INPUT_UNREADABLE', message: expect.stringContaining(UNREADABLE) })
  })
})
