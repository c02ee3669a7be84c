import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LONGEST, LongestFirst } from '../longest-first.ts'
import { root } from './project.ts'

test('the files that are begun first are there, each once', () => {
  expect(LONGEST.filter((path) => !existsSync(join(root, path)))).toEqual([])
  expect(new Set(LONGEST).size).toBe(LONGEST.length)
})

test('they come first, the others as vitest has them', async () => {
  const project = { name: '', config: { root, isolate: true, sequence: { groupOrder: 0 } } }
  const bytes: Record<string, number> = { 'a.test.ts': 1, 'b.test.ts': 3, 'c.test.ts': 2, [LONGEST[0]]: 0, [LONGEST[7]]: 9 }
  const cache = { getFileTestResults: () => undefined, getFileStats: (key: string) => ({ size: bytes[key.slice(1)] }) }
  const files = Object.keys(bytes).map((path) => ({ moduleId: join(root, path), project }))
  const sorted = await new LongestFirst({ config: { root }, cache } as never).sort(files as never)
  expect(sorted.map(({ moduleId }) => moduleId)).toEqual(
    [LONGEST[0], LONGEST[7], 'b.test.ts', 'c.test.ts', 'a.test.ts'].map((path) => join(root, path)),
  )
})
