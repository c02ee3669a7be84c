// What a table lost while nobody looked: the engine takes a table without some of its parts for one that never had them. A store that is
// closed lists its parts beside the engine's folder, and the next to open it looks whether they are all there. After a kill there is no list.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'

/** Blocks of one table partition; a merged part has those of all that went into it. */
interface Part {
  table: string
  partition: string
  from: number
  to: number
}
type Query = <T>(sql: string) => Promise<T[]>

const ACTIVE = `SELECT table, partition_id AS partition, min_block_number AS from, max_block_number AS to
  FROM system.parts WHERE active AND database = currentDatabase()`

/** Writes the list; without parts whose rows have all expired, which the engine removes when it likes. A list that cannot be written is none. */
export async function listParts(path: string, query: Query): Promise<void> {
  try {
    writeFileSync(path, JSON.stringify(await query<Part>(`${ACTIVE} AND rows > 0`)), { flush: true })
  } catch {
    rmSync(path, { force: true })
  }
}

/** Names of listed parts that are gone; at most five. The list is used up where all are there: from now on the engine changes them. */
export async function missingParts(path: string, query: Query): Promise<string[]> {
  let listed: Part[]
  try {
    listed = JSON.parse(readFileSync(path, 'utf8')) as Part[]
  } catch {
    return []
  }
  const active = Map.groupBy(await query<Part>(ACTIVE), ({ table, partition }) => `${table}/${partition}`)
  const missing = listed.filter(
    (part) => !active.get(`${part.table}/${part.partition}`)?.some(({ from, to }) => from <= part.from && to >= part.to),
  )
  if (missing.length === 0) rmSync(path, { force: true })
  return missing.slice(0, 5).map(({ table, partition, from, to }) => `${table}/${partition}_${from}_${to}`)
}
