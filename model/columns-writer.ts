// Writes the fields of rows that are all alike as JSON. Owns nothing.
import { type JsonWriter, piece } from './json-writer.ts'

type ColumnsWriter = (out: JsonWriter, row: object) => void
/** One for all tasks of a thread that write the same columns: a call that meets one for each partition goes megamorphic. */
const writers = new Map<string, ColumnsWriter>()

/** Writes the columns of rows like this one. Generated, so that each column is read where no other is: by a variable's name it takes a search. */
export function columnsWriter(row: object): ColumnsWriter {
  const names = Object.keys(row).map((name) => JSON.stringify(name))
  const source = `return (out, row) => { ${names.map((name, i) => `out.raw(keys[${i}]); out.json(row[${name}])`).join('; ')} }`
  let writer = writers.get(source)
  if (writer === undefined) {
    writer = new Function('keys', source)(names.map((name) => piece(`,${name}:`))) as ColumnsWriter
    writers.set(source, writer)
  }
  return writer
}
