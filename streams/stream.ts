// How a topology is written down: sources → filter, map, rekey, operators, windows → topics. A value; nothing runs here.
//
// A stream is a node that knows its parent; `topology` turns the branches' nodes into pipelines (pipelines.ts). Types flow from the source's
// schema to the branch, whose record type the test harness gives back.
import { createRequire } from 'node:module'
import type { Static, TSchema } from 'typebox'
import type { AnyOperator, Operator } from './operator.ts'
import { type Pipeline, pipelines } from './pipelines.ts'
import { type Columns, type ColumnType, checkTables, type Table } from './table.ts'
import { type Aggregate, type Windows, windowed } from './window.ts'

export interface SourceNode {
  kind: 'source'
  topic: string
  format: 'json' | 'lines'
  /** What the text of a record in the log says. Throws where it says nothing. */
  value(text: string): unknown
  /** The record of a parsed line. Throws where it is none. */
  read(value: unknown): unknown
  timeMs(record: unknown): number
  key: ((record: unknown) => string) | undefined
  allowedDisorderMs: number
  idleTimeoutMs: number
}
/** A topic of the topology's own: what is rekeyed goes through it, and two streams that are merged. */
export interface HopNode {
  kind: 'hop'
  name: string | undefined
  /** Without `key`, records keep the key that they have. */
  from: { node: Node; key: ((record: unknown) => string) | undefined }[]
  idleTimeoutMs: number
}
export type StepNode =
  | { kind: 'filter'; parent: Node; test(record: unknown): boolean }
  | { kind: 'map'; parent: Node; map(record: unknown): unknown }
  | { kind: 'flatMap'; parent: Node; flatMap(record: unknown): Iterable<unknown> }
  | { kind: 'operator'; parent: Node; operator: AnyOperator }
export type InputNode = SourceNode | HopNode
export type Node = InputNode | StepNode

const IDLE_TIMEOUT_MS = 30_000

/** When a source's records happened, and how much disorder is borne. */
export interface Times<T> {
  /** Event time of a record, whole ms since epoch. Without it every record has time 0, and windows and timers fire at the end of the input. */
  timeMs?(record: T): number
  /** How far a record may come behind one with a later time. Records wait this long, so that operators see them in
   *  order; one that comes later still goes to the topic of late records. ms of event time, default 0. */
  allowedDisorderMs?: number
  /** In a process that goes on without input, event time goes on with the clock after this long. ms, default 30,000. */
  idleTimeoutMs?: number
}

/** JSON records of a topic, checked by a typebox schema. One that does not fit goes to the dead letters (`INVALID`), with the place that is wrong.
 *  Throws a TypeError where `allowedDisorderMs` is below 0. */
export function source<const S extends TSchema>(topic: string, options: { schema: S } & Times<Static<S>>): SourceStream<Static<S>>
/** JSON records of a topic, read by a function: it gives the record, or throws, and then what was read goes to the dead letters (`INVALID`).
 *  Throws a TypeError where `allowedDisorderMs` is below 0. */
export function source<T>(topic: string, options: { parse(value: unknown): T } & Times<T>): SourceStream<T>
export function source(
  topic: string,
  options: { schema?: TSchema; parse?(value: unknown): unknown } & Times<unknown>,
): SourceStream<unknown> {
  const { schema, parse } = options
  const read = schema ? checked(schema) : parse
  if (!read) throw new TypeError(`source ${topic}: give it a schema (typebox) or a parse function`)
  return new SourceStream(sourceNode(topic, 'json', read, options))
}

/** Lines of text of a topic, without their ends; empty ones are left out. Throws a TypeError where `allowedDisorderMs` is below 0. */
export const lines = (topic: string, options: Times<string> = {}): SourceStream<string> =>
  new SourceStream(sourceNode(topic, 'lines', (value) => value, options as Times<unknown>))

function sourceNode(topic: string, format: SourceNode['format'], read: (value: unknown) => unknown, times: Times<unknown>): SourceNode {
  const { timeMs = () => 0, allowedDisorderMs = 0, idleTimeoutMs = IDLE_TIMEOUT_MS } = times
  if (!(allowedDisorderMs >= 0)) throw new TypeError(`source ${topic}: allowedDisorderMs is ${allowedDisorderMs}; it must be 0 or more`)
  return { kind: 'source', topic, format, value: JSON.parse, read, timeMs, key: undefined, allowedDisorderMs, idleTimeoutMs }
}

function checked(schema: TSchema): (value: unknown) => unknown {
  // Loaded by who has a schema: 300 files.
  const { Compile } = createRequire(import.meta.url)('typebox/compile') as typeof import('typebox/compile')
  const validator = Compile(schema)
  return (value) => {
    if (validator.Check(value)) return value
    const [error] = validator.Errors(value)
    throw new TypeError(error ? `${error.instancePath || 'the record'} ${error.message}` : 'it does not fit the schema')
  }
}

/** Where a stream ends: a topic of records `T`. */
export interface Branch<T, Topic extends string = string> {
  /** @internal */
  readonly node: Node
  /** Its name. */
  readonly topic: Topic
  /** Where its records are rows, too. */
  readonly table?: Table
  /** Only a type: what the topic's records are. */
  readonly record?: T
}

/** Records of type `T` on their way. A value: nothing runs until `packmill run`, or a test, runs the topology that it is part of. */
export class Stream<T> {
  /** @internal */
  readonly node: Node

  /** @internal */
  constructor(node: Node) {
    this.node = node
  }

  /** Only the records that pass, and they have the type that was tested for. Where the test throws, the record goes to the dead letters (`OPERATOR_THREW`). */
  filter<U extends T>(test: (record: T) => record is U): Stream<U>
  /** Only the records that pass. Where the test throws, the record goes to the dead letters (`OPERATOR_THREW`). */
  filter(test: (record: T) => boolean): Stream<T>
  filter(test: (record: T) => boolean): Stream<T> {
    return new Stream(filterNode(this.node, test))
  }

  /** One record for each. Where the function throws, the record goes to the dead letters (`OPERATOR_THREW`). */
  map<U>(map: (record: T) => U): Stream<U> {
    return new Stream({ kind: 'map', parent: this.node, map: map as (record: unknown) => unknown })
  }

  /** Any number of records for one, in their order. Where the function throws, the record goes to the dead letters (`OPERATOR_THREW`). */
  flatMap<U>(flatMap: (record: T) => Iterable<U>): Stream<U> {
    return new Stream({ kind: 'flatMap', parent: this.node, flatMap: flatMap as (record: unknown) => Iterable<unknown> })
  }

  /** Sends each record through a topic of the topology's own, to where its key is kept. `name`: of that topic, if it shall not be counted through. */
  rekey(key: (record: T) => string, { name }: { name?: string } = {}): KeyedStream<T> {
    const from = [{ node: this.node, key: key as (record: unknown) => string }]
    return new KeyedStream<T>({ kind: 'hop', name, from, idleTimeoutMs: IDLE_TIMEOUT_MS })
  }

  /** Ends in a topic, as JSON records. Several streams may end in one; one that the topology reads is refused by {@link topology}. */
  to<const Topic extends string>(topic: Topic): Branch<T, Topic>
  /** Ends in a topic, as JSON records, and in a table of the analytics store: `packmill run` makes the table where it is missing and writes each record
   *  once, a column for each field that is named. A table that is there with other columns is refused: `TARGET_TABLE_WRONG`. */
  to<const Topic extends string>(topic: Topic, into: { table: string; columns: Columns<T> }): Branch<T, Topic>
  to(topic: string, into?: { table: string; columns: Columns<T> }): Branch<T> {
    if (!into) return { node: this.node, topic }
    return { node: this.node, topic, table: { name: into.table, columns: into.columns as Record<string, ColumnType> } }
  }
}

/** A stream whose records have a key: operators and windows keep state for each. */
export class KeyedStream<T> extends Stream<T> {
  /** As {@link Stream.filter}; keys stay. */
  override filter<U extends T>(test: (record: T) => record is U): KeyedStream<U>
  /** As {@link Stream.filter}; keys stay. */
  override filter(test: (record: T) => boolean): KeyedStream<T>
  override filter(test: (record: T) => boolean): KeyedStream<T> {
    return new KeyedStream(filterNode(this.node, test))
  }

  /** As {@link Stream.map}; keys stay. */
  override map<U>(map: (record: T) => U): KeyedStream<U> {
    return new KeyedStream(super.map(map).node)
  }

  /** As {@link Stream.flatMap}; keys stay. */
  override flatMap<U>(flatMap: (record: T) => Iterable<U>): KeyedStream<U> {
    return new KeyedStream(super.flatMap(flatMap).node)
  }

  /** Folds each key's records, in order of event time; what the operator's `onRecord` and `onTimer` give comes out, with the key of its record. */
  apply<State extends object, Out = never, Fired = never>(
    operator: Operator<T, State, Out, Fired>,
    // biome-ignore lint/suspicious/noConfusingVoidType: what a handler that returns nothing gives.
  ): KeyedStream<Exclude<Out | Fired, void | undefined>> {
    return new KeyedStream({ kind: 'operator', parent: this.node, operator: operator as unknown as AnyOperator })
  }

  /** Adds up each key's records per window: one record of each, when the watermark has passed its end. */
  window<Acc, Out>(windows: Windows, aggregate: Aggregate<T, Acc, Out>): KeyedStream<Out> {
    return new KeyedStream(this.apply(windowed(windows, aggregate)).node)
  }
}

/** The records of a source, which have no key yet: {@link source}, {@link lines}. */
export class SourceStream<T> extends Stream<T> {
  /** The key that the topic's records have from the start: it decides their partition. */
  keyBy(key: (record: T) => string): KeyedStream<T> {
    return new KeyedStream({ ...(this.node as SourceNode), key: key as (record: unknown) => string })
  }
}

const filterNode = <T>(parent: Node, test: (record: T) => boolean): Node => ({
  kind: 'filter',
  parent,
  test: test as (record: unknown) => boolean,
})

/** Two or more streams with keys alike, as one in order of event time: how streams are joined. They go through a topic of the topology's own. */
export function merge<Streams extends readonly KeyedStream<unknown>[]>(
  name: string,
  ...streams: Streams
): KeyedStream<Streams[number] extends KeyedStream<infer T> ? T : never> {
  const from = streams.map(({ node }) => ({ node, key: undefined }))
  return new KeyedStream({ kind: 'hop', name, from, idleTimeoutMs: IDLE_TIMEOUT_MS })
}

/** What a topology's file exports by default: {@link topology} makes it. */
export interface Topology<Branches extends readonly Branch<unknown>[] = readonly Branch<unknown>[]> {
  /** @internal */
  readonly kind: 'packmill/streams@1'
  /** State, and the topics of late records and dead letters, are named by it. */
  readonly name: string
  /** Where its streams end. */
  readonly branches: Branches
  /** @internal In the order in which records pass them. */
  readonly pipelines: readonly Pipeline[]
}

/** A topology of branches, checked. Throws a TypeError that names what is wrong. */
export function topology<const Branches extends readonly Branch<unknown>[]>(name: string, ...branches: Branches): Topology<Branches> {
  checkTables(name, branches)
  return { kind: 'packmill/streams@1', name, branches, pipelines: pipelines(name, branches) }
}
