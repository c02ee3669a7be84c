// A checkpoint's changes in the table of places: what it leaves there, finished and given up. (That any sequence of them answers as a Map does
// is checkpoint-store.test.ts's.)
import { expect, test } from 'vitest'
import { Changes } from './changes.ts'
import { NO_VALUE, PlaceTable } from './place-table.ts'

const key = (n: number) => Buffer.from(`key-${n}`)
const KEYS = 5000

/** A table with KEYS keys in file 1, and changes of file 2: every third is deleted, the one behind it is written again, one more is new. */
function changed() {
  const table = new PlaceTable()
  for (let n = 0; n < KEYS; n++) table.set(table.take(key(n)), 1, n * 10, 6)
  const changes = new Changes(table, 2)
  let position = 0
  for (let n = 0; n + 1 < KEYS; n += 3) {
    changes.add(key(n), position, NO_VALUE)
    changes.add(key(n + 1), position, 7)
    position += 11
  }
  changes.add(key(KEYS), position, 7)
  return { table, changes }
}

test('until it has finished, each entry that it has is where it was before', () => {
  const { table, changes } = changed()
  for (let n = 0; n < KEYS; n++) {
    const entry = table.find(key(n))
    const isChanged = n % 3 !== 2 && n - (n % 3) + 1 < KEYS
    expect(changes.has(entry)).toBe(isChanged)
    if (isChanged) expect(changes.before(entry)).toEqual({ file: 1, position: n * 10, length: 6 })
  }
  expect(changes.before(table.find(key(KEYS)))).toMatchObject({ length: NO_VALUE })
})

test('once it has finished, what it deleted leaves the table', () => {
  const { table, changes } = changed()
  const kept = table.size - Math.floor((KEYS - 2) / 3) - 1
  changes.isFinished = true
  while (changes.settle(1000, () => undefined));
  expect(table.size).toBe(kept)
  expect(table.find(key(0))).toBe(0)
  expect(table.position(table.find(key(4)))).toBe(11)
})

test('given up, the table is as if it had never been, also where a key was changed twice', () => {
  const { table, changes } = changed()
  changes.add(key(0), 1 << 20, 8)
  changes.add(key(1), 1 << 21, NO_VALUE)
  changes.undo()
  expect(table.size).toBe(KEYS)
  for (let n = 0; n < KEYS; n++) {
    const entry = table.find(key(n))
    expect([table.file(entry), table.position(entry), table.length(entry)]).toEqual([1, n * 10, 6])
  }
  expect(table.find(key(KEYS))).toBe(0)
})
