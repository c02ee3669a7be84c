// One Native block of a table: a column per name and type of its schema, and the head that names them.
import type { TableSchema } from './contract.ts'
import { Growable, putVarUint } from './growable.ts'
import {
  ArrayColumn,
  FloatColumn,
  IntColumn,
  LowCardinalityColumn,
  type NativeColumn,
  NullableColumn,
  StringColumn,
  TimeUnitColumn,
} from './native-columns.ts'

/** Types that tables.ts uses, and tables that somebody declares. */
const MAKERS: Record<string, () => NativeColumn> = {
  String: () => new StringColumn(),
  'LowCardinality(String)': () => new LowCardinalityColumn(),
  Float64: () => new FloatColumn(),
  UInt8: () => new IntColumn(1),
  UInt16: () => new IntColumn(2),
  UInt32: () => new IntColumn(4),
  UInt64: () => new IntColumn(8),
  Int32: () => new IntColumn(4, true),
  Int64: () => new IntColumn(8, true),
  Bool: () => new IntColumn(1),
  Date32: () => new TimeUnitColumn(4, 86_400_000),
  "DateTime64(0, 'UTC')": () => new TimeUnitColumn(8, 1000),
  'SimpleAggregateFunction(sum, Int64)': () => new IntColumn(8, true),
  'SimpleAggregateFunction(max, UInt64)': () => new IntColumn(8),
  "DateTime64(3, 'UTC')": () => new IntColumn(8, true),
  'Nullable(Int32)': () => new NullableColumn(new IntColumn(4, true)),
  'Nullable(Int64)': () => new NullableColumn(new IntColumn(8, true)),
  "Nullable(DateTime64(3, 'UTC'))": () => new NullableColumn(new IntColumn(8, true)),
  'Nullable(Float64)': () => new NullableColumn(new FloatColumn()),
  'Nullable(String)': () => new NullableColumn(new StringColumn(), ''),
  'Nullable(Bool)': () => new NullableColumn(new IntColumn(1)),
  'Array(String)': () => new ArrayColumn([new StringColumn()], false),
  'Array(Tuple(partition UInt16, offset UInt64))': () => new ArrayColumn([new IntColumn(2), new IntColumn(8)], true),
  "Array(Tuple(task_type String, started_at DateTime64(3, 'UTC'), ended_at DateTime64(3, 'UTC'), outcome String))": () =>
    new ArrayColumn([new StringColumn(), new IntColumn(8, true), new IntColumn(8, true), new StringColumn()], true),
}

export class NativeBlock {
  readonly schema: TableSchema
  readonly columns: readonly NativeColumn[]
  rows = 0

  constructor(schema: TableSchema) {
    this.schema = schema
    this.columns = schema.columns.map(([name, type]) => {
      const make = MAKERS[type]
      if (!make) throw new TypeError(`column ${name}: no encoding for ${type}`)
      return make()
    })
  }

  column<C extends NativeColumn>(name: string): C {
    return this.columns[this.schema.columns.findIndex(([column]) => column === name)] as C
  }

  get bytes(): number {
    let sum = 0
    for (const column of this.columns) sum += column.bytes
    return sum
  }

  reset(): void {
    this.rows = 0
    for (const column of this.columns) column.reset()
  }

  /** The block's bytes in pieces: views of the columns, valid until reset. */
  finish(): Uint8Array[] {
    const out: Uint8Array[] = []
    const head = new Growable(64)
    head.length = putVarUint(head.bytes, putVarUint(head.bytes, 0, this.columns.length), this.rows)
    out.push(head.written())
    this.columns.forEach((column, i) => {
      const title = new StringColumn()
      title.add(this.schema.columns[i][0])
      title.add(this.schema.columns[i][1])
      title.finish(out)
      column.finish(out)
    })
    return out
  }
}
