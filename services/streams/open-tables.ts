// The tables of a data folder in which a topology of one's own runs, to ask them. Owns the folder's lock meanwhile; no record is processed.
import { join } from 'node:path'
import type { Config } from '../../config/index.ts'
import { lockFolder } from '../../stores/files/folder-lock.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { SinksClient } from '../process/sinks-client.ts'
import { storeSetup } from '../process/store-setup.ts'

export interface Tables {
  query<T = Record<string, unknown>>(sql: string): Promise<T[]>
  queryText(sql: string, format: string): Promise<string>
  stop(): Promise<void>
}

/** Errors: DATA_LOCKED where a process is at work in it; those of the store and the log. */
export async function openTables(config: Config): Promise<Tables> {
  const { data: folder, log } = config
  const lock = lockFolder(folder)
  try {
    const shared = await prepareLog({ files: realFiles, folder: join(folder, 'log'), writers: ['sinks'] })
    // Nothing goes: this process knows of no topic what is still needed of it.
    const retention = { topics: {}, others: { ms: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY } }
    const sinks = new SinksClient(
      {
        ...{
          name: 'sinks',
          folder,
          shared,
          journalBytes: log.journalBytes,
          retention,
          lineage: 'main',
          acceptVersion: false,
          partitions: 0,
          sinks: [],
        },
        ...storeSetup(config),
      },
      { onSinkStopped: () => undefined },
    )
    await sinks.ready
    return {
      query: (sql) => sinks.query(sql),
      queryText: (sql, format) => sinks.queryText(sql, format),
      async stop() {
        try {
          await sinks.stop()
        } finally {
          lock.release()
        }
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}
