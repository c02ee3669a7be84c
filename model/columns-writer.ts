// Writes the fields of rows that are all alike as JSON. Owns nothing.
import { type JsonWriter, piece } from './json-writer.ts'

/** Writes the columns of rows like this one. Generated, so that each column is read where no other is: by a variable's name it takes a search. */
export function columnsWriter(row: object): (out: JsonWriter, row: object) => void {
  const names = Object.keys(row).map((name) => JSON.stringify(name))
  const writes = names.map((name, i) => `out.raw(keys[${i}]); out.json(row[${name}])`)
  return new Function('keys', `return (out, row) => { ${writes.join('; ')} }`)(names.map((name) => piece(`,${name}:`)))
}
