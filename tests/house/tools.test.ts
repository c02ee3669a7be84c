// The tools that judge the whole project, as tests: what they print is the failure's message.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { modulePath, scannerModule } from '../../tools/assembly.ts'
import { root, runTool } from './project.ts'

test('Biome finds nothing to format and nothing to fix', () => {
  const { code, output } = runTool('node_modules/@biomejs/biome/bin/biome', 'check', '.', '--max-diagnostics=200', '--colors=off')
  expect(code, output).toBe(0)
  // A wrong `files.includes` would check nothing and pass.
  expect(Number(/Checked (\d+) files/.exec(output)?.[1])).toBeGreaterThan(30)
})

test('TypeScript accepts every file', () => {
  const { code, output } = runTool('node_modules/typescript/bin/tsc', '-p', '.', '--noEmit', '--pretty', 'false')
  expect(code, output).toBe(0)
}, 180_000)

test('no promise floats and none is misused', () => {
  const { code, output } = runTool('node_modules/eslint/bin/eslint.js', '.')
  expect(code, output).toBe(0)
}, 180_000)

test('the lint rules for promises see types: a planted floating promise is reported', async () => {
  const { ESLint } = await import('eslint')
  const eslint = new ESLint({ cwd: root })
  // Linted under the name of a file that the project knows, or there would be no types.
  const [result] = await eslint.lintText('export async function f() {}\nf()\n;[1].forEach(async () => {})\n', {
    filePath: 'vitest.config.ts',
  })
  expect(result!.messages.map((message) => `${message.line}: ${message.ruleId}`)).toEqual([
    '2: @typescript-eslint/no-floating-promises',
    '3: @typescript-eslint/no-misused-promises',
  ])
}, 180_000)

test('the scanner that runs is what model/assembly compiles to (else: npm run assembly)', async () => {
  expect(await scannerModule()).toBe(readFileSync(join(root, modulePath), 'utf8'))
}, 180_000)
