import { expect, test } from 'vitest'
import { h128, hash128 } from '../../model/hash.ts'
import { Random } from '../../services/traffic/random.ts'
import { hashText } from './hash.ts'

test('gives the published value of a known text', () => {
  expect(hashText('')).toBe('00000000000000000000000000000000')
  expect(hashText('The quick brown fox jumps over the lazy dog')).toBe('2f1583c3ecee2c675d7bf66ce5e91d2c')
})

test("equals the product's hash for texts of every length up to 200 bytes, beyond ASCII too", () => {
  const random = new Random(1)
  for (let length = 0; length < 200; length++) {
    const text = Array.from({ length }, () => String.fromCodePoint(random.pick([random.below(128), 0xe9, 0x20ac, 0x1f600]))).join('')
    const bytes = new TextEncoder().encode(text)
    hash128(bytes, 0, bytes.length)
    expect(hashText(text)).toBe([...h128].map((word) => word.toString(16).padStart(8, '0')).join(''))
  }
})
