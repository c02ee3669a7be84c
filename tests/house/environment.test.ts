// Configuration has one door: config/load.ts alone reads the environment. Tests, benches and tools are not configured, they may.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isProof, productFolders, root, sourceFiles } from './project.ts'

const readsEnvironment =
  /\bprocess\s*(\?\.|\.)\s*env\b|\benv\b[^}\n]*\}\s*=\s*process\b|import\s*\{[^}]*\benv\b[^}]*\}\s*from\s*'(node:)?process'/

// packmill.mjs reads no configuration: it tells the threads where Node keeps compiled code.
test('only config/load.ts reads process.env', () => {
  const product = sourceFiles(productFolders).filter((path) => !isProof(path))
  expect(product.filter((path) => readsEnvironment.test(readFileSync(join(root, path), 'utf8')))).toEqual([
    'config/load.ts',
    'cli/packmill.mjs',
  ])
})

test.each([
  ['const port = process.env.PORT', true],
  ["const port = process.env['PORT']", true],
  ['const { env } = process', true],
  ["import { env } from 'node:process'", true],
  ['// the environment is read elsewhere', false],
  ["import { argv } from 'node:process'", false],
])('%s: reads the environment is %s', (code, reads) => {
  expect(readsEnvironment.test(code)).toBe(reads)
})
