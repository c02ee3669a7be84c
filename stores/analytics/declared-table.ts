// Tables that somebody declares, beside those of the migrations: made as a sink needs them, and never changed.
import { AnalyticsError } from './analytics-error.ts'
import type { TableSchema } from './contract.ts'
import type { MigrationTarget } from './migrator.ts'
import { applyFsync } from './table-settings.ts'

/** Makes it where it is missing. Throws TARGET_TABLE_WRONG where it is there with other columns. Names are letters, digits and underscores. */
export async function makeDeclaredTable(target: MigrationTarget, { table, columns }: TableSchema, fsync: boolean): Promise<void> {
  const flag = fsync ? 1 : 0
  const all = columns.map(([name, type]) => `\`${name}\` ${type}`)
  // As the tables of the migrations: the window remembers the tokens of the last inserts (protocol 27), merges wait for twelve parts.
  await target.command(`CREATE TABLE IF NOT EXISTS \`${table}\` (${all.join(', ')}, INDEX by_offset offset TYPE minmax GRANULARITY 1)
    ENGINE = MergeTree ORDER BY (lineage, partition, offset)
    SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = ${flag}, fsync_part_directory = ${flag}, min_parts_to_merge_at_once = 12`)
  const found = await target.query<{ name: string; type: string }>(
    `SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = '${table}'`,
  )
  const there = new Map(found.map(({ name, type }) => [name, type]))
  const differences = [
    ...columns.flatMap(([name, type]) =>
      there.get(name) === type ? [] : [`${name} is ${there.get(name) ?? 'missing'}, declared ${type}`],
    ),
    ...found.flatMap(({ name, type }) => (columns.some(([declared]) => declared === name) ? [] : [`${name} is ${type}, and not declared`])),
  ]
  if (differences.length > 0)
    throw new AnalyticsError(
      'TARGET_TABLE_WRONG',
      `table ${table} is there with other columns: ${differences.join('; ')}`,
      'Give the table another name where it is declared: it is filled from the beginning of its topic. Or declare the columns as they are.',
    )
  const [{ full }] = await target.query<{ full: string }>(
    `SELECT engine_full AS full FROM system.tables WHERE database = currentDatabase() AND name = '${table}'`,
  )
  if (full !== '') await applyFsync(target, `\`${table}\``, full, fsync)
}
