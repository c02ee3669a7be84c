// A topology: sources → keyed pipelines → topics and sinks, as a value that one can describe, validate, draw and run.
//
// topology.ts owns the value and its checks. It runs nothing: lanes do (engine/lane), from the same value.
import type { Fold, SessionFold, StateFields, Tile } from '../../operators/contract.ts'
import type { WindowSettings } from '../state/keyed-state.ts'

export interface Source {
  topic: string
  /** Fields of an event whose values, joined by `:`, are the key that decides its partition. */
  key: readonly string[]
}

/** Session windows over a keyed source, the folds inside them, and where each output goes. */
export interface SessionPipeline {
  name: string
  source: Source
  window: WindowSettings
  /** Folds that run as events come. */
  folds: readonly Fold<StateFields>[]
  /** What a session amounts to, folded when it fires. */
  sessionFold: SessionFold<object>
  /** Sums of what leaves. */
  tiles: readonly Tile<object>[]
  outputs: { sessions: string; incidents: string; late: string; deadLetters: string; tiles?: string }
}

/** A topic into a table of the analytics store. */
export interface SinkEdge {
  topic: string
  table: string
}

export interface Topology {
  name: string
  pipeline: SessionPipeline
  sinks: readonly SinkEdge[]
}

/** Starts a pipeline at a topic whose records are keyed by these fields. */
export const source = (topic: string, options: { key: readonly string[] }) => ({
  sessions: (window: WindowSettings) => new SessionStage({ topic, key: options.key }, window, []),
})

class SessionStage {
  private readonly from: Source
  private readonly window: WindowSettings
  private readonly folds: readonly Fold<StateFields>[]

  constructor(from: Source, window: WindowSettings, folds: readonly Fold<StateFields>[]) {
    this.from = from
    this.window = window
    this.folds = folds
  }

  /** Folds each session's events as they come; false adds nothing. */
  fold<F extends StateFields>(fold: Fold<F> | false): SessionStage {
    if (fold === false) return this
    return new SessionStage(this.from, this.window, [...this.folds, fold as unknown as Fold<StateFields>])
  }

  /** Folds each session when it fires: at its close, a snapshot, a correction. */
  whenFired<R extends object>(sessionFold: SessionFold<R>) {
    return {
      /** `tiles`: sums over what leaves, onto the topic of that name. */
      to: (outputs: SessionPipeline['outputs'], tiles: readonly Tile<R>[] = []): SessionPipeline => ({
        name: 'sessions',
        source: this.from,
        window: this.window,
        folds: this.folds,
        sessionFold,
        tiles: tiles as readonly Tile<object>[],
        outputs,
      }),
    }
  }
}

export const sink = (topic: string, table: string): SinkEdge => ({ topic, table })

/** Checks and freezes a topology. Throws a TypeError that names what is wrong. */
export function topology(name: string, pipeline: SessionPipeline, sinks: readonly SinkEdge[]): Topology {
  const names = new Set<string>()
  for (const { name: fold, state } of pipeline.folds) {
    if (names.has(fold)) throw new TypeError(`topology ${name}: two operators are called ${fold}; state is kept by name`)
    names.add(fold)
    for (const field of ['arena', 'word', 'move', 'clear'])
      if (field in state)
        throw new TypeError(`topology ${name}: operator ${fold} calls a state field '${field}', which the record's accessor uses`)
  }
  const topics = [pipeline.source.topic, ...Object.values(pipeline.outputs)]
  if (new Set(topics).size !== topics.length) throw new TypeError(`topology ${name}: a topic is used twice: ${topics.join(', ')}`)
  for (const edge of sinks)
    if (!topics.includes(edge.topic)) throw new TypeError(`topology ${name}: sink ${edge.table} reads ${edge.topic}, which nothing writes`)
  return { name, pipeline, sinks }
}
