import { expect, it } from 'vitest'
import { utf8Text } from './utf8.ts'

it('keeps a U+FEFF that the bytes begin with', () => {
  for (const text of ['', 'shop', '\uFEFFshop', '\uFEFF\uFEFF', 'sh\uFEFFop']) expect(utf8Text(Buffer.from(text))).toBe(text)
})
