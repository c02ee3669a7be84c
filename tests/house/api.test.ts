// The API reference in docs/api is what the docstrings say now, and every public symbol has one.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { apiFolder, apiPages } from '../../tools/api.ts'
import { root } from './project.ts'

test('docs/api is what the docstrings say (else: npm run api)', async () => {
  const pages = await apiPages()
  expect([...pages.keys()]).toEqual(['README.md', 'packmill.md', 'packmill/testing.md'])
  const kept = readdirSync(join(root, apiFolder), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.md'))
  expect(kept.map((path) => path.replaceAll('\\', '/')).sort()).toEqual([...pages.keys()])
  for (const [path, text] of pages) expect(readFileSync(join(root, apiFolder, path), 'utf8'), path).toBe(text)
}, 180_000)

test('it has what the package exports, by name', async () => {
  const text =
    readFileSync(join(root, apiFolder, 'packmill.md'), 'utf8') + readFileSync(join(root, apiFolder, 'packmill/testing.md'), 'utf8')
  const exported = { ...(await import('../../streams/index.ts')), ...(await import('../../streams/testing.ts')) }
  const names = Object.keys(exported).filter((name) => name !== 'Type')
  expect(names.length).toBeGreaterThan(10)
  for (const name of names) expect(text).toMatch(new RegExp(`^### ${name}(\\(\\))?$`, 'm'))
})
