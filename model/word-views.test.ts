import { expect, test } from 'vitest'
import { WordViews } from './word-views.ts'

test('bytes are read as the same words wherever they lie, after others in the same memory and in another', () => {
  const views = new WordViews()
  const memory = new Uint8Array(64)
  const wordsOf = (bytes: Uint8Array) => {
    const { words, bytes: u8, view, first, end } = views.of(bytes)
    const read = [...words.subarray(first, end)]
    expect([...u8.subarray(first * 4, end * 4)]).toEqual([...bytes.subarray(0, (end - first) * 4)])
    for (const [i, word] of read.entries()) expect(view.getUint32((first + i) * 4, true)).toBe(word)
    return read
  }
  for (const at of [0, 4, 5, 7, 40, 3]) {
    memory.set([1, 0, 0, 0, 2, 1, 0, 0], at)
    // One beyond the last word is no word.
    expect(wordsOf(memory.subarray(at, at + 9))).toEqual([1, 258])
    expect(wordsOf(new Uint8Array([3, 0, 0, 0]))).toEqual([3])
  }
})
