import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Texts } from './texts.ts'

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
const lengths = fc.oneof(fc.nat(300), fc.constantFrom(0, 1, 4, 123, 124, 125, 126, 128, 247, 248, 249, 1000))
const bytes = lengths.chain((length) => fc.uint8Array({ minLength: length, maxLength: length }))

it('texts stay what they were while others come and go, and leave nothing behind', () => {
  const steps = fc.array(fc.record({ text: bytes, at: fc.nat(5), drop: fc.nat(), inTurn: fc.boolean() }), { maxLength: 20 })
  fc.assert(
    fc.property(steps, (list) => {
      const texts = new Texts()
      const kept: { text: Uint8Array; head: number }[] = []
      for (const { text, at, drop, inTurn } of list) {
        // Between other bytes, which are no part of it.
        const around = new Uint8Array(at + text.length + 3).fill(0xaa)
        around.set(text, at)
        kept.push({ text, head: texts.put(viewOf(around), at, text.length, inTurn) })
        if (drop % 3 === 0) {
          const [gone] = kept.splice(drop % kept.length, 1)
          if (inTurn) texts.drop(gone.head, gone.text.length)
          else texts.release(gone.head, gone.text.length)
        }
        texts.arena.settle()
        for (const { text, head } of kept) {
          expect(texts.latin1(head, text.length)).toBe(Buffer.from(text).toString('latin1'))
          const other = new Uint8Array(text.length + 3).fill(0x55)
          other.set(text)
          expect(texts.same(head, text.length, viewOf(other), 0)).toBe(true)
        }
      }
      for (const { text, head } of kept) texts.release(head, text.length)
      expect(texts.arena.bytesUsed).toBe(0)
    }),
  )
})

it('a text is another one when any of its bytes is', () => {
  fc.assert(
    fc.property(bytes, fc.nat(), (text, where) => {
      fc.pre(text.length > 0)
      const texts = new Texts()
      const padded = new Uint8Array(text.length + 3)
      padded.set(text)
      const head = texts.put(viewOf(padded), 0, text.length, true)
      padded[where % text.length] ^= 1 + (where % 255)
      expect(texts.same(head, text.length, viewOf(padded), 0)).toBe(false)
    }),
  )
})
