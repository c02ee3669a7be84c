import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const servers = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'servers.ts'), ...args], { encoding: 'utf8' })
  return { status, stdout, stderr }
}

test.each([['--help'], ['up', '-h']])('%s says what there is, and starts nothing', (...args) => {
  const { status, stdout } = servers(...args)
  expect(status).toBe(0)
  for (const word of ['up', 'down', 'status', '--clean', 'Java 17', 'Examples:']) expect(stdout).toContain(word)
})

test.each([
  [['start'], 'no command start'],
  [['up', '--clean'], 'up has no option --clean'],
  [['status', 'now'], 'status has no option now'],
])('%j is refused', (args, message) => {
  const { status, stderr } = servers(...args)
  expect(status).toBe(2)
  expect(stderr).toContain(message)
})

test('without a command it says what there is, and that something was missing', () => {
  const { status, stdout } = servers()
  expect([status, stdout.startsWith('Usage:')]).toEqual([2, true])
})
