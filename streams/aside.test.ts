// Records of any length that are late, or cannot be processed: what is told of them fits into a message of 1 MiB, however they are made.
import { expect, test } from 'vitest'
import { operator } from './operator.ts'
import { source, topology } from './stream.ts'
import { type Input, resumeLaw, runTable } from './testing.ts'

interface Note {
  user: string
  at: number
  text: string
}

const LONG = 900_000
const MESSAGE_BYTES = 1 << 20

const make = () => {
  const notes = source('notes', {
    parse(value) {
      const note = value as Note
      if (note.text.startsWith('?')) throw new Error(`no note: ${note.text}`)
      return note
    },
    timeMs: ({ at }) => at,
  })
  const keep = operator({
    name: 'keep',
    state: () => ({ texts: [] as string[], dueMs: Number.POSITIVE_INFINITY }),
    onRecord(state, { text, at }: Note) {
      if (text.startsWith('!')) throw new Error(text)
      for (let n = 0; text.startsWith('#') && n < 90; n++) state.texts.push(text.slice(0, 9_000))
      if (text.startsWith('#')) state.dueMs = at + 1
    },
    nextTimerMs: ({ dueMs }) => dueMs,
    onTimer() {
      throw new Error('no')
    },
  })
  return topology(
    'notes-kept',
    notes
      .keyBy(({ user }) => user)
      .apply(keep)
      .to('kept'),
  )
}

const inputOf = (character: string): Input => {
  const long = character.repeat(LONG / Buffer.byteLength(JSON.stringify(character).slice(1, -1)))
  return {
    notes: [
      { user: 'a', at: 10, text: '' },
      { user: long, at: 1, text: '' },
      { user: 'a', at: 2, text: long },
      { user: 'a', at: 20, text: `?${long}` },
      { user: 'a', at: 20, text: `!${long}` },
      { user: 'b', at: 20, text: `#${long}` },
    ],
  }
}

test.each([
  ['letters', 'x'],
  ['quotes', '"'],
  ['control characters', '\u0001'],
])('of %s', (_, character) => {
  const { late, deadLetters } = runTable(make(), inputOf(character))
  expect(late.map(({ timeMs }) => timeMs)).toEqual([2])
  expect(deadLetters.map(({ code }) => code).sort()).toEqual(['INVALID', 'INVALID', 'KEY_FORGOTTEN', 'OPERATOR_THREW'])
  for (const [n, letter] of [...late, ...deadLetters].entries()) {
    expect(Buffer.byteLength(JSON.stringify(letter)), `${n}`).toBeLessThan(MESSAGE_BYTES / 2)
    expect(letter.wholeBytes, `${n}`).toBeGreaterThan(6 << 16)
    expect(letter.record.length, `${n}`).toBe(16 << 10)
  }
})

test('the same after a stop', async () => {
  await resumeLaw(make, inputOf('x'))
})
