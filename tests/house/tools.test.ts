// The tools that judge the whole project, as tests: what they print is the failure's message.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ESLint } from 'eslint'
import { expect, test } from 'vitest'
import { modulePath, scannerModule } from '../../tools/assembly.ts'
import { root, runTool } from './project.ts'
import { typeErrors, typeProgram } from './type-program.ts'

/** A file that is nowhere but in the program below: what it holds the lint rules must report. */
const planted = {
  path: `${root.replaceAll('\\', '/')}/planted.ts`,
  text: 'export async function f() {}\nf()\n;[1].forEach(async () => {})\n',
}

/** One for both: what TypeScript says of it, and the types that the lint rules look at. As `npm run typecheck` and `npm run lint` make it. */
const program = typeProgram(root, { [planted.path]: planted.text })
const eslint = new ESLint({
  cwd: root,
  overrideConfig: { languageOptions: { parserOptions: { projectService: false, programs: [program] } } },
})

test('Biome finds nothing to format and nothing to fix', () => {
  const { code, output } = runTool('node_modules/@biomejs/biome/bin/biome', 'check', '.', '--max-diagnostics=200', '--colors=off')
  expect(code, output).toBe(0)
  // A wrong `files.includes` would check nothing and pass.
  expect(Number(/Checked (\d+) files/.exec(output)?.[1])).toBeGreaterThan(30)
})

test('TypeScript accepts every file', async () => {
  const own = program.getSourceFiles().filter(({ fileName }) => !fileName.includes('/node_modules/'))
  expect(own.length).toBeGreaterThan(400)
  expect(await typeErrors(program, own)).toEqual([])
}, 180_000)

test('no promise floats and none is misused', async () => {
  const results = await eslint.lintFiles(['.'])
  expect(results.filter(({ filePath }) => filePath.endsWith('.ts')).length).toBeGreaterThan(400)
  const found = results.flatMap(({ filePath, messages }) => messages.map(({ line, message }) => `${filePath}:${line}: ${message}`))
  expect(found).toEqual([])
}, 180_000)

test('the lint rules for promises see types: a planted floating promise is reported', async () => {
  const [{ messages }] = await eslint.lintText(planted.text, { filePath: planted.path })
  expect(messages.map(({ line, ruleId }) => `${line}: ${ruleId}`)).toEqual([
    '2: @typescript-eslint/no-floating-promises',
    '3: @typescript-eslint/no-misused-promises',
  ])
}, 180_000)

test('the scanner that runs is what model/assembly compiles to (else: npm run assembly)', async () => {
  expect(await scannerModule()).toBe(readFileSync(join(root, modulePath), 'utf8'))
}, 180_000)
