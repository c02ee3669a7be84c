// Tables of the analytics store as a topology's file declares them. Owns which types there are and what is refused; rows are the sinks' work.
import type { Branch } from './stream.ts'

/** What of a record a column of each type takes. */
export interface ColumnTypes {
  /** Text of any kind. */
  text: string
  /** Text of which there are few different ones: kept as a dictionary. */
  word: string
  /** A whole number, up to 2^53 either way. */
  integer: number
  /** A number; NaN and Infinity are none in JSON, and need `number?`. */
  number: number
  /** true or false. */
  boolean: boolean
  /** ms since epoch; in SQL a DateTime64(3, 'UTC'). */
  time: number
  /** Any number of texts. */
  'text[]': readonly string[]
}

type MaybeAbsent = 'text' | 'integer' | 'number' | 'boolean' | 'time'

/** A type of {@link ColumnTypes}; with a question mark NULL where the record has no such field, or null. */
export type ColumnType = keyof ColumnTypes | `${MaybeAbsent}?`

/** The types that a column for values `V` may have. */
export type ColumnTypeFor<V> =
  | { [C in keyof ColumnTypes]: [V] extends [ColumnTypes[C]] ? C : never }[keyof ColumnTypes]
  | { [C in MaybeAbsent]: [V] extends [ColumnTypes[C] | null | undefined] ? `${C}?` : never }[MaybeAbsent]

/** Field of the records `T` → the type of the column with its name. Fields that are not named do not get into the table. */
export type Columns<T> = { readonly [K in keyof T & string]?: ColumnTypeFor<T[K]> }

/** A topic's table. */
export interface Table {
  /** In SQL. */
  readonly name: string
  /** Name, which is that of the records' field, → type. */
  readonly columns: Readonly<Record<string, ColumnType>>
}

const NAME = /^[A-Za-z_]\w{0,99}$/
const TYPES: ReadonlySet<string> = new Set<ColumnType>([
  ...(['text', 'word', 'integer', 'number', 'boolean', 'time', 'text[]'] as const),
  ...(['text?', 'integer?', 'number?', 'boolean?', 'time?'] as const),
])
/** Every row has these beside its own: where its record is in the topic. */
const PLACE = ['lineage', 'partition', 'offset']

/** Throws a TypeError that names what is wrong with a branch's table. */
export function checkTables(topology: string, branches: readonly Branch<unknown>[]): void {
  const topics = new Map<string, string>()
  const tables = new Set<string>()
  for (const { topic, table } of branches) {
    if (!table) continue
    const { name, columns } = table
    const wrong = (what: string): never => {
      throw new TypeError(`topology ${topology}, table ${name}: ${what}`)
    }
    if (!NAME.test(name)) wrong('its name may have letters, digits and underscores, and begins with no digit')
    if (tables.has(name)) wrong('it is declared twice; one topic goes into it')
    if (topics.has(topic)) wrong(`${topic} goes into ${topics.get(topic)} already; declare one table for a topic`)
    if (Object.keys(columns).length === 0) wrong('it has no columns')
    for (const [column, type] of Object.entries(columns)) {
      if (!NAME.test(column)) wrong(`a column cannot be called ${column}`)
      if (PLACE.includes(column)) wrong(`every table has a column ${column} for the record's place; map the field to another name`)
      if (!TYPES.has(type)) wrong(`${column} has type ${String(type)}; there are ${[...TYPES].join(', ')}`)
    }
    tables.add(name)
    topics.set(topic, name)
  }
}
