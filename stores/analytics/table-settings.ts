// What the configuration decides about tables: how long rows are kept, and whether an insert is flushed to the disk. Changed where it differs.
import type { MigrationTarget } from './migrator.ts'

export interface TableSettings {
  /** Rows go this many days after received_at. */
  ttlDays: { events: number; facts: number }
  /** An insert counts as done when it survives a power loss. */
  fsync: boolean
}

const TTL_OF: Readonly<Record<string, keyof TableSettings['ttlDays'] | undefined>> = {
  events_raw: 'events',
  fact_sessions: 'facts',
  fact_incidents: 'facts',
  events_late: undefined,
  events_dlq: undefined,
}

export async function applyTableSettings(target: MigrationTarget, { ttlDays, fsync }: TableSettings): Promise<void> {
  const tables = await target.query<{ name: string; full: string }>(
    'SELECT name, engine_full AS full FROM system.tables WHERE database = currentDatabase()',
  )
  for (const { name, full } of tables) {
    if (!(name in TTL_OF)) continue
    const flag = fsync ? 1 : 0
    if (!full.includes(`fsync_after_insert = ${flag}`) || !full.includes(`fsync_part_directory = ${flag}`)) {
      await target.command(`ALTER TABLE ${name} MODIFY SETTING fsync_after_insert = ${flag}, fsync_part_directory = ${flag}`)
    }
    const days = TTL_OF[name] && ttlDays[TTL_OF[name]]
    if (days !== undefined && !full.includes(`toIntervalDay(${days})`)) {
      // A time of 0 is an absent one: such rows stay.
      await target.command(
        `ALTER TABLE ${name} MODIFY TTL received_at + INTERVAL ${days} DAY DELETE WHERE received_at > toDateTime64(0, 3, 'UTC')`,
      )
    }
  }
}
