// Keys as bytes, and topologies whose keys are texts that UTF-8 has no bytes for, or that a decoder takes for a mark.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { keyOf, storedKey } from './record-key.ts'
import { source, topology } from './stream.ts'
import { resumeLaw, runTable } from './testing.ts'
import { tumbling } from './window.ts'

/** Halves of surrogate pairs, whole ones, what takes their place in UTF-8, and a byte order mark. */
const key = fc
  .array(fc.constantFrom('a', '\ud83d', '\ud83e', '\ude00', '\ufffd', '\ufeff', '\0'), { maxLength: 4 })
  .map((all) => all.join(''))

test('a key comes back as it was, and has bytes of its own', () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      expect(keyOf(storedKey(a))).toBe(a)
      expect(storedKey(a).equals(storedKey(b))).toBe(a === b)
    }),
    { numRuns: 2000 },
  )
})

test('a key of whole characters is stored as it always was', () => {
  expect(storedKey('ü😀')).toEqual(Buffer.from('kü😀'))
})

interface Hit {
  key: string
  at: number
}
const count = (name: string) => ({
  name,
  init: () => 0,
  add: (n: number) => n + 1,
  result: (n: number, { key }: { key: string }) => ({ key, n }),
})
const make = () => {
  const hits = source('hits', { parse: (value) => value as Hit, timeMs: ({ at }) => at })
  const keyed = hits.keyBy(({ key }) => key)
  return topology(
    't',
    keyed.window(tumbling({ sizeMs: 1000 }), count('keyed')).to('keyed'),
    keyed
      .rekey(({ key }) => `${key}!`)
      .window(tumbling({ sizeMs: 1000 }), count('rekeyed'))
      .to('rekeyed'),
  )
}
// As a text has them that was cut in the middle of a character.
const keys = ['a\ud83d', 'a\ud83e', 'a\ud83e', 'a\ufffd', 'a', '\ufeffa', 'a\ud83e']

test('keys with half of a surrogate pair, or a byte order mark, are keys like any other, also behind a rekey', () => {
  const { keyed, rekeyed, deadLetters } = runTable(make(), { hits: keys.map((key, at) => ({ key, at })) })
  const counts = [
    { key: 'a', n: 1 },
    { key: 'a\ud83d', n: 1 },
    { key: 'a\ud83e', n: 3 },
    { key: 'a\ufffd', n: 1 },
    { key: '\ufeffa', n: 1 },
  ]
  expect(keyed).toEqual(counts)
  expect(rekeyed).toHaveLength(counts.length)
  expect(rekeyed).toEqual(expect.arrayContaining(counts.map(({ key, n }) => ({ key: `${key}!`, n }))))
  expect(deadLetters).toEqual([])
})

test('such keys find their state again after a stop', () => resumeLaw(make, { hits: keys.map((key, at) => ({ key, at: at * 400 })) }))
