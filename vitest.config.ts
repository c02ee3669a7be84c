// Forks, not threads: chdb is a native addon that is loaded once per process and not unloaded.
// Three workers: files with a broker or a process mostly wait. The limit of 10 minutes for the whole run holds on two cores.
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './tests/longest-first.ts'

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', 'dist/**', '.cache/**'],
    globalSetup: ['tests/stop-servers.ts'],
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
