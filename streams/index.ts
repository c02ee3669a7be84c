// packmill: topologies of one's own. What lives here: how they are written down, and the computer that runs them under the engine's protocol.
// What never does: threads, files, the log; services put those together.

/**
 * What a topology's file imports. docs/your-first-topology.md shows how the parts go together, docs/operators.md what they do exactly. `Type` and `Static` are those of [typebox](https://github.com/sinclairzx81/typebox), for a source's schema.
 * @packageDocumentation
 */
export { default as Type, type Static } from 'typebox'
export { type At, type Emitted, type Operator, operator } from './operator.ts'
export {
  type Branch,
  KeyedStream,
  lines,
  merge,
  SourceStream,
  Stream,
  source,
  type Times,
  type Topology,
  topology,
} from './stream.ts'
export type { Columns, ColumnType, ColumnTypeFor, ColumnTypes, Table } from './table.ts'
export { type Aggregate, session, sliding, tumbling, type Window, type Windows } from './window.ts'
