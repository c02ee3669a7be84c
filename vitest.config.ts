// Forks, not threads: chdb is a native addon that is loaded once per process and not unloaded.
// Three workers: files with a broker or a process mostly wait. All of it takes some 2,200 seconds of CPU: 16 minutes on two slow cores.
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
    // Some tests start a dozen processes one after the other; a machine that does something else too must not fail one.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Node loads the sources as it does elsewhere: what Vite makes of them takes a tenth longer to run. No test needs a mock of a module.
    experimental: { viteModuleRunner: false, nodeLoader: false },
  },
})
