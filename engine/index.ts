// engine: runs topologies exactly once. What lives here: topologies as values, lanes, tasks, actors, keyed state, the log and sink protocols.
// What never does: a definition of an operator, a store's client, HTTP, the environment.

export { EngineError } from './errors.ts'
export type { WindowSettings } from './state/keyed-state.ts'
export { sink, source, type Topology, topology } from './topology/topology.ts'
