// A setting that nothing reads would be a promise that nothing keeps.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { settings } from '../../config/index.ts'
import { isProof, productFolders, root, sourceFiles } from './project.ts'

const code = sourceFiles(productFolders.filter((folder) => folder !== 'config'))
  .filter((path) => !isProof(path))
  .map((path) => readFileSync(join(root, path), 'utf8'))
  .join('\n')

test.each(settings.filter(({ comesWith }) => !comesWith).map(({ path }) => path))('%s is read by the product', (path) => {
  const name = path.split('.').at(-1)
  expect(code).toMatch(new RegExp(`\\.${name}\\b|[{,]\\s*${name}\\b[^{}]*\\}\\s*[=:)]`))
})
