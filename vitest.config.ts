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
    // Tests of whole processes take a quarter of this; a machine that does something else too must not fail one.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Node loads the sources as it does elsewhere: what Vite makes of them takes a tenth longer to run. No test needs a mock of a module.
    experimental: { viteModuleRunner: false, nodeLoader: false },
  },
})
