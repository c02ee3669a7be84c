import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('the process ends by %s, although it handles that signal', (signal) => {
  const script = `import { exitNow } from ${JSON.stringify(new URL('./exit-now.ts', import.meta.url).href)}
    process.on('SIGINT', () => {}); process.on('SIGTERM', () => {})
    setInterval(() => {}, 1_000_000)
    exitNow(${JSON.stringify(signal)})`
  expect(spawnSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', script]).signal).toBe(signal)
})
