// packmill: topologies of one's own. What lives here: how they are written down, and the computer that runs them under the engine's protocol.
// What never does: threads, files, the log; services put those together.
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
export { type Aggregate, session, sliding, tumbling, type Window, type Windows } from './window.ts'
