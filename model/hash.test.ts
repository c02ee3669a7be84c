import { describe, expect, test } from 'vitest'
import { HASH_SLACK, h128, hash32, hash128, hash128View, kafkaPartition } from './hash.ts'

const utf8 = (text: string) => new TextEncoder().encode(text)
const words = () => [...h128].map((word) => word.toString(16).padStart(8, '0')).join(' ')
const allBytes = Uint8Array.from({ length: 256 }, (_, i) => i)

describe('hash128 is MurmurHash3_x86_128', () => {
  // Answers of the reference implementation (the mmh3 package for Python).
  test.each([
    [utf8(''), 0, '00000000 00000000 00000000 00000000'],
    [utf8(''), 42, 'af6d2cb6 95c80cba 95c80cba 95c80cba'],
    [utf8('a'), 0, 'a794933c 5556b01b 5556b01b 5556b01b'],
    [utf8('abcd'), 0, '96b6ccaa 45afc62e 45afc62e 45afc62e'],
    [utf8('hello, world'), 0, '8b21605c b9b98a1e 93273a83 eb5957c7'],
    [utf8('hello, world'), 42, 'ef8be0fc 8094183b 74352732 ea66b8d4'],
    [utf8('0123456789abcde'), 0, '3c76c46d 4d0818c0 add433da a78673fa'],
    [utf8('0123456789abcdef'), 0, 'fb7d4409 36aed30a 48ad1d9b 572b3bfd'],
    [utf8('0123456789abcdef0'), 42, '722ee8c6 44099ef1 d32a939c 8ca4f654'],
    [utf8('größe €😀'), 0, 'ecd78412 5652ee43 d71b8f2e 4d5aad36'],
    [allBytes, 0, '2c56c88f db4503df d352b21a 494ca2c0'],
    [allBytes, 42, '22af5f92 b96e7a34 36d481ed b880c7d7'],
  ])('%# of the reference vectors', (bytes, seed, expected) => {
    hash128(bytes, 0, bytes.length, seed)
    expect(words()).toBe(expected)
  })

  test('what lies around the text does not matter, at any length and place', () => {
    for (let length = 0; length <= 40; length++) {
      hash128(allBytes, 100, length)
      const expected = words()
      const elsewhere = new Uint8Array(length + 7 + HASH_SLACK).fill(0xff)
      elsewhere.set(allBytes.subarray(100, 100 + length), 7)
      hash128View(new DataView(elsewhere.buffer), 7, length)
      expect(words()).toBe(expected)
    }
  })

  test('a text longer than the scratch buffer', () => {
    const long = new Uint8Array(5000).fill(97)
    hash128(long, 0, long.length)
    const expected = words()
    const padded = new Uint8Array(long.length + HASH_SLACK)
    padded.set(long)
    hash128View(new DataView(padded.buffer), 0, long.length)
    expect(words()).toBe(expected)
  })
})

describe('hash32', () => {
  test('is never 0, and depends on every byte and on the length', () => {
    for (let length = 0; length <= 20; length++) {
      const zeros = new Uint8Array(length)
      const seen = new Set([hash32(zeros, 0, length), hash32(new Uint8Array(length + 1), 0, length + 1)])
      for (let i = 0; i < length; i++) {
        const changed = zeros.slice()
        changed[i] = 0x80
        seen.add(hash32(changed, 0, length))
      }
      expect(seen.size).toBe(length + 2)
      expect(seen.has(0)).toBe(false)
    }
  })

  test('spreads 30,000 user ids over the places of a table: no place of 65,536 holds more than 8', () => {
    const places = new Uint8Array(65_536)
    for (let user = 0; user < 30_000; user++) {
      const id = utf8(`user-${user}`)
      places[hash32(id, 0, id.length) & 65_535]++
    }
    expect(Math.max(...places)).toBeLessThanOrEqual(8)
  })
})

describe('kafkaPartition', () => {
  // murmur2 values of Kafka's own tests; a partition is the positive part modulo the count.
  test.each([
    ['21', -973_932_308],
    ['foobar', -790_332_482],
    ['a-little-bit-long-string', -985_981_536],
    ['a-little-bit-longer-string', -1_486_304_829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
    ['abc', 479_470_107],
  ])('%s', (key, murmur2) => {
    for (const partitions of [1, 8, 12, 0x7fff_ffff])
      expect(kafkaPartition(utf8(key), partitions)).toBe((murmur2 & 0x7fff_ffff) % partitions)
  })
})
