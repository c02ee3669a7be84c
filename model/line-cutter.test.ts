import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EVENT_BYTES_MAX } from './event.ts'
import { LineCutter, type Lines } from './line-cutter.ts'

const utf8 = (text: string) => new TextEncoder().encode(text)
const text = ({ bytes, pos, length }: Lines) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.slice(pos, pos + length))
/** What the chunks are cut into, call by call. */
const cut = (...chunks: string[]) => {
  const cutter = new LineCutter()
  return [...chunks.map((chunk) => text(cutter.push(utf8(chunk)))), text(cutter.end())]
}

describe('lines', () => {
  test.each<[string, string[], string[]]>([
    ['whole lines at once', ['a\nb\n'], ['a\nb\n', '']],
    ['a line over three chunks', ['a', 'b', 'c\nd'], ['', '', 'abc\n', 'd\n']],
    ['a newline alone', ['ab', '\n', 'c'], ['', 'ab\n', '', 'c\n']],
    ['nothing', [], ['']],
    ['empty chunks', ['', 'a\n', ''], ['', 'a\n', '', '']],
    ['carriage returns and empty lines are left to the scanner', ['a\r\n\r', '\n\nb'], ['a\r\n', '\r\n\n', 'b\n']],
    ['a byte order mark at the start', ['\ufeffa\n\ufeffb\n'], ['a\n\ufeffb\n', '']],
    ['a byte order mark and no newline', ['\ufeffa'], ['', 'a\n']],
  ])('%s', (_, chunks, expected) => {
    expect(cut(...chunks)).toEqual(expected)
  })

  test('a byte order mark cut by a chunk; not where reading goes on inside a stream', () => {
    const bytes = utf8('\ufeffa\n')
    const cutter = new LineCutter()
    expect(text(cutter.push(bytes.subarray(0, 2)))).toBe('')
    expect(text(cutter.push(bytes.subarray(2)))).toBe('a\n')
    expect(text(new LineCutter(100).push(bytes))).toBe('\ufeffa\n')
  })

  test('any cut into chunks gives the same lines, and endOffset is where they end', () => {
    const lines = fc.array(fc.string({ unit: fc.constantFrom('a', '€', '\r', ' '), maxLength: 8 }), { maxLength: 12 })
    fc.assert(
      fc.property(lines, fc.boolean(), fc.array(fc.nat(9), { minLength: 1, maxLength: 9 }), (lines, terminated, sizes) => {
        const whole = utf8(lines.join('\n') + (terminated ? '\n' : ''))
        const cutter = new LineCutter()
        let given = ''
        for (let at = 0, i = 0; at < whole.length; i++) {
          const size = 1 + sizes[i % sizes.length]
          const taken = cutter.push(whole.slice(at, at + size))
          given += text(taken)
          at += size
          expect(taken.endOffset).toBe(utf8(given).length)
        }
        const last = cutter.end()
        given += text(last)
        expect(last.endOffset).toBe(whole.length)
        expect(given).toBe(
          whole.length === 0 || whole.at(-1) === 10 ? new TextDecoder().decode(whole) : `${new TextDecoder().decode(whole)}\n`,
        )
      }),
    )
  })
})

describe('a line over the limit', () => {
  test('is kept in one byte more than an event and its carriage return may have; the lines around it stay whole', () => {
    const cutter = new LineCutter()
    expect(text(cutter.push(utf8('before\nxxx')))).toBe('before\n')
    for (let i = 0; i < 100; i++) expect(cutter.push(new Uint8Array(10_000).fill(120)).length).toBe(0)
    const lines = cutter.push(utf8('xxx\nafter\nrest'))
    const [large, after] = text(lines).split('\n')
    expect([large.length, after]).toEqual([EVENT_BYTES_MAX + 2, 'after'])
    expect(lines.bytes.length).toBeLessThan(4 * EVENT_BYTES_MAX)
    expect(lines.endOffset).toBe(7 + 3 + 1_000_000 + 4 + 6)
    expect(text(cutter.end())).toBe('rest\n')
  })

  test('at the end of the stream, and a line of just the limit with its carriage return', () => {
    const cutter = new LineCutter()
    cutter.push(utf8('x'.repeat(EVENT_BYTES_MAX)))
    expect(text(cutter.push(utf8('\r\n'))).length).toBe(EVENT_BYTES_MAX + 2)
    cutter.push(utf8('x'.repeat(200_000)))
    cutter.push(utf8('x'))
    expect(text(cutter.end()).length).toBe(EVENT_BYTES_MAX + 3)
  })
})
