// What CONTRIBUTING promises about one more operator: its diff is applied to a copy of the project, and its test runs there.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isProof, root, sourceFiles } from './project.ts'

const page = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8')
const diff = /```diff\n([\s\S]*?)```/.exec(page)![1]
/** Path → the lines of its part, with their first character. */
const parts = diff
  .split(/^--- .*\n\+\+\+ b\//m)
  .slice(1)
  .map((part): [string, string[]] => [
    part.slice(0, part.indexOf('\n')),
    part
      .slice(part.indexOf('\n') + 1)
      .trimEnd()
      .split('\n'),
  ])

let folder: string
beforeAll(() => {
  mkdirSync(join(root, '.cache'), { recursive: true })
  folder = mkdtempSync(join(root, '.cache', 'one-operator-'))
  for (const name of ['config', 'model', 'operators', 'engine', 'topologies', 'services', 'tests', 'package.json', 'tsconfig.json'])
    cpSync(join(root, name), join(folder, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const without = (lines: string[], sign: string) =>
  lines
    .filter((line) => !line.startsWith(sign))
    .map((line) => line.slice(1))
    .join('\n')

test('the diff touches the operator, its test and the topology, and nothing else', () => {
  expect(parts.map(([path]) => path)).toEqual(['operators/error-bursts.ts', 'operators/error-bursts.test.ts', 'topologies/clickstream.ts'])
})

test('it applies, its types are right, and its test passes', () => {
  for (const [path, lines] of parts) {
    if (lines[0] !== '@@') {
      expect(lines.every((line) => line.startsWith('+'))).toBe(true)
      writeFileSync(join(folder, path), `${without(lines, '-')}\n`)
      continue
    }
    let text = readFileSync(join(folder, path), 'utf8')
    for (const hunk of lines.join('\n').split('@@\n').slice(1)) {
      const own = hunk.trimEnd().split('\n')
      expect(text.split(without(own, '+')).length, `${path} has the lines of the diff once`).toBe(2)
      text = text.replace(without(own, '+'), without(own, '-'))
    }
    writeFileSync(join(folder, path), text)
  }
  const run = (...args: string[]) => {
    const done = spawnSync(process.execPath, args, {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, NO_COLOR: '1', VITEST: undefined },
    })
    expect(done.status, `${done.stdout}${done.stderr}`).toBe(0)
    return done.stdout
  }
  writeFileSync(join(folder, 'tsconfig.own.json'), JSON.stringify({ extends: './tsconfig.json', include: ['operators', 'topologies'] }))
  run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.own.json', '--noEmit')
  writeFileSync(join(folder, 'vitest.config.ts'), "export default { test: { include: ['operators/error-bursts.test.ts'] } }\n")
  expect(run('node_modules/vitest/vitest.mjs', 'run', '--root', '.')).toMatch(/2 passed/)
}, 120_000)

test('no kind of incident is named in the engine, in the stores, or in the running process', () => {
  const kinds = sourceFiles(['operators'])
    .filter((path) => !isProof(path))
    .flatMap((path) => [...readFileSync(join(root, path), 'utf8').matchAll(/kind: '(\w+)'/g)].map(([, kind]) => kind))
  expect(kinds.sort()).toEqual(['abandoned_task', 'backtrack', 'dead_click', 'rage_click'])
  const naming = sourceFiles(['engine', 'stores', 'services'])
    .filter((path) => !isProof(path) && !path.startsWith('services/traffic/'))
    .filter((path) => kinds.some((kind) => new RegExp(`['"\`]${kind}['"\`]`).test(readFileSync(join(root, path), 'utf8'))))
  expect(naming).toEqual([])
})
