// Sizes that a reader can hold: every file, and the engine as a whole.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isProof, root, sourceFiles } from './project.ts'

const FILE_LINES_MAX = 500
const ENGINE_LINES_MAX = 6_000

const lines = (path: string) => readFileSync(join(root, path), 'utf8').split('\n').length - 1

test(`no source file has more than ${FILE_LINES_MAX} lines`, () => {
  const files = sourceFiles()
  expect(files.length).toBeGreaterThan(30)
  expect(files.filter((path) => lines(path) > FILE_LINES_MAX)).toEqual([])
})

test(`the engine without its tests has at most ${ENGINE_LINES_MAX} lines`, () => {
  const files = sourceFiles(['engine']).filter((path) => !isProof(path))
  expect(files.length).toBeGreaterThan(3)
  expect(files.reduce((sum, path) => sum + lines(path), 0)).toBeLessThanOrEqual(ENGINE_LINES_MAX)
})
