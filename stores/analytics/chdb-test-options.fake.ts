// For tests: a small store.
import type { ChdbOptions } from './chdb-store.ts'

export const chdbTestOptions: Omit<ChdbOptions, 'folder'> = {
  threads: 2,
  memoryBytesMax: 2e9,
  insertDeadlineMs: 60_000,
  fsync: false,
  ttlDays: { events: 400, facts: 800 },
}
