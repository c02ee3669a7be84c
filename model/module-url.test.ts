import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { siblingModule } from './module-url.ts'

test.each([
  ['file:///a/b/lane.ts', './lane-worker', 'file:///a/b/lane-worker.ts'],
  ['file:///a/dist/b/lane.js', './lane-worker', 'file:///a/dist/b/lane-worker.js'],
  ['file:///a/b/lane.js', '../c/d', 'file:///a/c/d.js'],
])('beside %s, %s is %s', (from, path, expected) => {
  expect(siblingModule(from, path).href).toBe(expected)
})

test('it finds a file of the sources', () => {
  expect(existsSync(siblingModule(pathToFileURL(import.meta.filename).href, './module-url'))).toBe(true)
})
