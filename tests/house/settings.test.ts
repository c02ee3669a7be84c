// A setting that nothing reads would be a promise that nothing keeps.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { defaults, settings } from '../../config/index.ts'
import { abandonedTaskDefaults } from '../../operators/abandoned-tasks.ts'
import { backtrackDefaults } from '../../operators/backtracks.ts'
import { deadClickDefaults } from '../../operators/dead-clicks.ts'
import { rageClickDefaults } from '../../operators/rage-clicks.ts'
import { scoreDefaults } from '../../operators/scores.ts'
import { isProof, productFolders, root, sourceFiles } from './project.ts'

const code = sourceFiles(productFolders.filter((folder) => folder !== 'config'))
  .filter((path) => !isProof(path))
  .map((path) => readFileSync(join(root, path), 'utf8'))
  .join('\n')

test.each(settings.filter(({ comesWith }) => !comesWith).map(({ path }) => path))('%s is read by the product', (path) => {
  const name = path.split('.').at(-1)
  expect(code).toMatch(new RegExp(`\\.${name}\\b|[{,]\\s*${name}\\b[^{}]*\\}\\s*[=:)]`))
})

test('the operators’ own defaults are those of the configuration, which may import none of them', () => {
  const { rage, backtrackMs, abandonMs, deadClicks, scores } = defaults.clickstream
  expect(rageClickDefaults).toEqual(rage)
  expect(backtrackDefaults.withinMs).toBe(backtrackMs)
  expect(abandonedTaskDefaults.withinMs).toBe(abandonMs)
  expect(deadClickDefaults.withinMs).toBe(deadClicks.withinMs)
  expect(scoreDefaults).toEqual(scores)
})
