// Keys as bytes, and topologies whose keys are texts that UTF-8 has no bytes for, or that a decoder takes for a mark.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openCheckpointStore } from '../stores/state/checkpoint-store.ts'
import { SimDisk, SimFiles } from '../tests/sim/sim-files.ts'
import { RecordComputer } from './record-computer.ts'
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

describe('a key of more than 32 KiB is its record’s dead letter', () => {
  const longest = 'x'.repeat(32_768)
  const tooLong = `${longest}x`
  const message = (whose: string, bytes: number) =>
    `RangeError: ${whose} has ${bytes} bytes; at most 32768 are possible: take something shorter, or a hash of it`

  test('in a source, and in a rekey; one of 32 KiB is a key like any other', () => {
    // Of the last one the source's key fits, and that of the rekey does not.
    const hits = [tooLong, 'a', longest].map((key, at) => ({ key, at }))
    const { keyed, rekeyed, deadLetters } = runTable(make(), { hits })
    expect(keyed).toEqual([{ key: 'a', n: 1 }])
    expect(rekeyed).toEqual([{ key: 'a!', n: 1 }])
    expect(deadLetters).toMatchObject([
      { code: 'INVALID', message: message('its key', 32_769), record: JSON.stringify(hits[0]) },
      { code: 'OPERATOR_THREW', message: message('the key for t.rekey-1', 32_769), record: JSON.stringify(hits[2]) },
    ])
  })

  test('measured as it is stored, not by its characters', () => {
    const messages = ['é'.repeat(16_384), 'é'.repeat(16_385), '\ud83d'.repeat(16_384), '\ud83d'.repeat(16_385)].map((key) => {
      const hits = source('hits', { parse: (value) => value as Hit, timeMs: ({ at }) => at }).keyBy((hit) => hit.key)
      return runTable(topology('t', hits.to('out')), { hits: [{ key, at: 0 }] }).deadLetters.map(({ message }) => message)
    })
    expect(messages).toEqual([[], [message('its key', 32_770)], [], [message('its key', 32_770)]])
  })

  test('so a checkpoint can be written, in which one of 32 KiB is', async () => {
    const files = new SimFiles(new SimDisk())
    const hits = source('hits', { parse: (value) => value as Hit, timeMs: ({ at }) => at }).keyBy(({ key }) => key)
    const { pipelines } = topology('t', hits.window(tumbling({ sizeMs: 1000 }), count('n')).to('counts'))
    const open = async () => {
      const store = await openCheckpointStore({ files, folder: '/state/task' })
      return new RecordComputer(pipelines[0], { lineage: 'test', code: 'test', partition: 0 }, store)
    }
    const computer = await open()
    const records = [longest, 'x'.repeat(70_000)].map((key, at) => `${JSON.stringify({ key, at })}\n`)
    const bytes = Buffer.from(records.join(''))
    computer.load({ bytes, blocks: [{ baseOffset: 0, count: 2, pos: 0, length: bytes.length }], next: 2 }, 0, 2)
    computer.compute(1, 0, 2, {}, undefined)
    computer.checkpoints.begin({ epoch: 1, ...computer.header })
    while (!(await computer.checkpoints.slice(1 << 20)));
    await computer.checkpoints.finish()
    expect((await open()).checkpoints.timers.first).toMatchObject({ key: longest, atMs: 999 })
  })
})
