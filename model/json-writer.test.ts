import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { JsonWriter, piece } from './json-writer.ts'

const written = (write: (out: JsonWriter) => void) => {
  const out = new JsonWriter()
  // A short text before it: no value begins where the buffer does.
  out.raw(piece('>>'))
  write(out)
  return out.buffer.toString('utf8', 2, out.end)
}
const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.string())

describe('what the writer writes is what JSON.stringify writes', () => {
  it('for numbers', () => {
    const edges = [0, 9, 10, 99, 1e8 - 1, 1e8, 1e8 + 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 1e15 - 1, 1e15, 2 ** 53, -1, -1e13, 0.5, 1e300]
    const numbers = fc.oneof(fc.constantFrom(...edges), fc.maxSafeNat(), fc.nat(), fc.double())
    fc.assert(
      fc.property(numbers, (value) => {
        expect(written((out) => out.number(value))).toBe(JSON.stringify(value))
      }),
    )
  })
  it('for texts, as strings and as bytes', () => {
    const texts = fc.oneof(anyText, fc.constantFrom('', '"', 'a\\b', '\u007f', '\u0000', '\u2028', 'é', '😀', 'x'.repeat(70_000)))
    fc.assert(
      fc.property(texts, (text) => {
        expect(written((out) => out.string(text))).toBe(JSON.stringify(text))
        const bytes = Buffer.from(`..${text.toWellFormed()}..`)
        expect(written((out) => out.utf8(bytes, 2, bytes.length - 4))).toBe(JSON.stringify(text.toWellFormed()))
      }),
    )
  })
  it('for rows of columns', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(written((out) => out.json([value, 'x']))).toBe(JSON.stringify([value, 'x']))
      }),
    )
  })
})

it('pieces and short texts are their UTF-8', () => {
  fc.assert(
    fc.property(anyText, anyText, (a, b) => {
      const both = written((out) => {
        out.raw(piece(a))
        out.plain(b)
      })
      expect(both).toBe(a.toWellFormed() + b.toWellFormed())
    }),
  )
})
it('content taken as latin1 comes back as the same bytes', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const bytes = Buffer.from(text)
      const again = written((out) => out.latin1(bytes.toString('latin1')))
      expect(again).toBe(bytes.toString())
    }),
  )
})
it('words are eight hex digits', () => {
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), (word) => {
      expect(written((out) => out.hex(word))).toBe(word.toString(16).padStart(8, '0'))
    }),
  )
})
