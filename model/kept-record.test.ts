import { describe, expect, test } from 'vitest'
import { EVENT_BYTES_MAX } from './event.ts'
import { keptMessage, keptRecord, keptText } from './kept-record.ts'

const kept = (text: string | Buffer) => {
  const bytes = Buffer.concat([Buffer.from('before'), Buffer.from(text), Buffer.from('behind')])
  return keptRecord(bytes, 6, bytes.length - 6)
}

describe('of a record that should be an event', () => {
  test.each([
    ['as long as an event may be', 'x'.repeat(EVENT_BYTES_MAX)],
    ['one byte longer by the carriage return at its end', `${'x'.repeat(EVENT_BYTES_MAX)}\r`],
    ['empty', ''],
  ])('one that is %s is kept whole', (_, record) => {
    expect(kept(record)).toEqual({ record })
  })

  test('of one that is a byte longer the first 16 KiB are kept, and how long it was', () => {
    expect(kept('x'.repeat(EVENT_BYTES_MAX + 1))).toEqual({ record: 'x'.repeat(16 << 10), wholeBytes: EVENT_BYTES_MAX + 1 })
  })

  test.each([
    ['é', 2],
    ['€', 3],
    ['😀', 4],
  ])('no %s is cut, wherever its %i bytes lie', (character, size) => {
    for (let before = 0; before < size; before++) {
      const { record } = kept(`${'x'.repeat(before)}${character.repeat(EVENT_BYTES_MAX)}`)
      expect(record).toMatch(new RegExp(`^x*(${character})+$`, 'u'))
      expect(Buffer.byteLength(record)).toBeGreaterThan((16 << 10) - size)
    }
  })

  test('bytes that are no UTF-8 are cut, too', () => {
    expect(kept(Buffer.alloc(EVENT_BYTES_MAX + 1, 0x80)).record).toMatch(/^�+$/)
  })
})

describe('of a record of a topology', () => {
  test.each([
    ['text as long as an event, whatever is in it', '\u0001'.repeat(EVENT_BYTES_MAX)],
    ['text that is 384 KiB as JSON', 'x'.repeat(6 * EVENT_BYTES_MAX)],
    ['three bytes to a character', '€'.repeat(2 * EVENT_BYTES_MAX)],
  ])('%s is kept whole', (_, record) => {
    expect(keptText(record)).toEqual({ record })
  })

  test.each([
    ['text', 'x', 6 * EVENT_BYTES_MAX + 1],
    ['quotes', '"', 3 * EVENT_BYTES_MAX + 1],
    ['characters of three bytes', '€', 2 * EVENT_BYTES_MAX + 1],
  ])('of longer %s the first 16 KiB', (_, character, count) => {
    const size = Buffer.byteLength(character)
    expect(keptText(character.repeat(count))).toEqual({
      record: character.repeat(Math.floor((16 << 10) / size)),
      wholeBytes: count * size,
    })
  })
})

test('a message has at most 4096 characters, none of them by half', () => {
  expect(keptMessage('x'.repeat(4096))).toBe('x'.repeat(4096))
  expect(keptMessage('x'.repeat(4097))).toBe(`${'x'.repeat(4096)}…`)
  expect(keptMessage(`x${'😀'.repeat(4096)}`).isWellFormed()).toBe(true)
})
