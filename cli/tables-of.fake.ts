// For tests: what the tables of a data folder hold that no process has, asked of the engine in this process. It is what the last process left: a
// `packmill sql` would recover and drain the folder first (and take ten times as long).
import { join } from 'node:path'
import { chdbTestOptions } from '../stores/analytics/chdb-test-options.fake.ts'
import { openChdbStore } from '../stores/analytics/index.ts'

/** The rows of a SELECT. One folder at a time: there is one engine in a process. */
export async function tablesOf<T = Record<string, unknown>>(data: string, sql: string): Promise<T[]> {
  const store = await openChdbStore({ ...chdbTestOptions, folder: join(data, 'analytics') })
  try {
    return await store.query<T>(sql)
  } finally {
    await store.close()
  }
}
