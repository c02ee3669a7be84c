// What the configuration decides about tables: how long rows are kept, and whether an insert is flushed to the disk. Changed where it differs.
import type { MigrationTarget } from './migrator.ts'
import { TILE_TABLES } from './tables.ts'

export interface TableSettings {
  /** Rows go this many days after received_at. */
  ttlDays: { events: number; facts: number }
  /** An insert counts as done when it survives a power loss. */
  fsync: boolean
}

export async function applyTableSettings(target: MigrationTarget, { ttlDays, fsync }: TableSettings): Promise<void> {
  const tables = await target.query<{ name: string; full: string }>(
    'SELECT name, engine_full AS full FROM system.tables WHERE database = currentDatabase()',
  )
  /** Days by table; 0: its rows stay. */
  const daysOf: Readonly<Record<string, number>> = {
    events_raw: ttlDays.events,
    fact_sessions: ttlDays.facts,
    fact_incidents: ttlDays.facts,
    events_late: 0,
    events_dlq: 0,
    // A plus must not expire before its minus.
    ...Object.fromEntries(TILE_TABLES.map(({ table }) => [table, 0])),
  }
  for (const { name, full } of tables) {
    const days = daysOf[name]
    if (days === undefined) continue
    await applyFsync(target, name, full, fsync)
    if (days > 0 && !full.includes(`toIntervalDay(${days})`)) {
      // A time of 0 is an absent one: such rows stay.
      await target.command(
        `ALTER TABLE ${name} MODIFY TTL received_at + INTERVAL ${days} DAY DELETE WHERE received_at > toDateTime64(0, 3, 'UTC')`,
      )
    }
  }
}

/** `full`: the table's engine with its settings, as the store says it. `name` needs no quotes. */
export async function applyFsync(target: MigrationTarget, name: string, full: string, fsync: boolean): Promise<void> {
  const flag = fsync ? 1 : 0
  if (full.includes(`fsync_after_insert = ${flag}`) && full.includes(`fsync_part_directory = ${flag}`)) return
  await target.command(`ALTER TABLE ${name} MODIFY SETTING fsync_after_insert = ${flag}, fsync_part_directory = ${flag}`)
}
