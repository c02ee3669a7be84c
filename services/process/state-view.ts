// What is in a partition's state, for a person: its keys, and what is kept for one of them, in words. Asks the state store's contract alone, so it is as of
// the newest finished checkpoint, whoever owns the store. Decides nothing, changes nothing.
//
// Two forms: of product events (engine/state: packed records, decoded by the topology that has the same operators), and of topologies of one's own
// (streams/record-state.ts: values that say themselves which operator they are of).
import { deserialize } from 'node:v8'
import { EngineError } from '../../engine/errors.ts'
import type { Computer } from '../../engine/lane/computer.ts'
import { sessionStage } from '../../engine/lane/session-computer.ts'
import type { CheckpointHeader, StateStore } from '../../engine/state/store.ts'
import type { Topology } from '../../engine/topology/topology.ts'
import { keyOf, storedKey } from '../../streams/record-key.ts'
import { type SessionUser, sessionUser } from './session-user.ts'

export type StateRequest =
  | {
      ask: 'list'
      /** Only of this organisation. */
      org?: string
      /** Only keys that begin so: users as in the tables (u:…, a:…), or keys of a topology of one's own. */
      prefix?: string
      limit: number
      /** Count all that match, too. */
      count: boolean
    }
  /** A user as in the tables; of a topology of one's own only a key. */
  | { ask: 'get'; org?: string; product?: string; key: string; events: number }

/** One key of a partition's state. Times in ms since epoch. */
export interface StateKey {
  org?: string
  product?: string
  /** The user as in the tables, or the key of a topology of one's own. */
  key: string
  /** Its next timer. */
  dueMs?: number
  /** Until then its sessions can be joined (last event + gap). */
  endsMs?: number
}

/** Of one partition. */
export interface StateAnswer {
  task: string
  partition: number
  /** What the answer is as of; absent where no checkpoint has finished, and there are no keys then. */
  checkpoint?: { epoch: number; to: number }
  /** At most `limit`, in no order. */
  keys: StateKey[]
  /** All that match, where it was asked for. */
  count?: number
  /** For `get`: what is kept of it; absent where it has no state. */
  value?: SessionUser | RecordValue
}

/** Per operator: version of its state, and the state. */
export interface RecordValue {
  nextTimer: string | null
  operators: Record<string, { stateVersion: number; state: unknown }>
}

/** How a task keeps its state. */
export interface StateForm {
  keys(store: StateStore): Iterable<StateKey>
  value(store: StateStore, asked: Extract<StateRequest, { ask: 'get' }>): StateAnswer['value']
}

const USER_SPACE = 0x75

/** Errors: CODE_CHANGED where the state is of other operators than `form` has and lists no layouts; STATE_CORRUPT. */
export function viewState(store: StateStore, form: StateForm, at: { task: string; partition: number }, request: StateRequest): StateAnswer {
  const { header } = store
  const answer: StateAnswer = { ...at, keys: [], ...(header && { checkpoint: { epoch: header.epoch, to: Number(header.to) } }) }
  if (request.ask === 'get') {
    const value = header && form.value(store, request)
    return value === undefined ? answer : { ...answer, value }
  }
  const { org, prefix = '', limit, count } = request
  let found = 0
  for (const key of form.keys(store)) {
    if ((org !== undefined && key.org !== org) || !key.key.startsWith(prefix)) continue
    if (found++ < limit) answer.keys.push(key)
    else if (!count) break
  }
  return count ? { ...answer, count: found } : answer
}

/** State of product events, of the operators of `topology`. */
export const sessionForm = (topology: Topology): StateForm => ({
  *keys(store) {
    for (const [key, value] of store.entries()) {
      if (key[0] !== USER_SPACE) continue
      const [org, product, user] = Buffer.from(key.subarray(1)).toString().split('\0') as [string, string, string]
      const times = new DataView(value.buffer, value.byteOffset, 16)
      yield { org, product, key: user, ...finite('dueMs', times.getFloat64(0, true)), ...finite('endsMs', times.getFloat64(8, true)) }
    }
  },
  value(store, { org = '', product = '', key, events }) {
    refuseOther(topology, store.header!)
    const bytes = store.get(Buffer.from(`${String.fromCharCode(USER_SPACE)}${org}\0${product}\0${key}`))
    return bytes && sessionUser(topology, bytes, { org, product, user: key }, events, store.header!.layouts)
  },
})

/** State of topologies of one's own. */
export const recordForm: StateForm = {
  *keys(store) {
    for (const [stored, index] of store.entries()) {
      const key = keyOf(stored)
      if (key !== undefined) yield { key, ...finite('dueMs', dueOf(index)) }
    }
  },
  value(store, { key }) {
    const stored = storedKey(key)
    const bytes = store.get(stored)
    if (!bytes || bytes.length === 0) return undefined
    const values = deserialize(bytes) as unknown[]
    let due = Number.POSITIVE_INFINITY
    for (const [other, index] of store.entries()) if (stored.equals(other)) due = dueOf(index)
    const operators: RecordValue['operators'] = {}
    for (let i = 0; i < values.length; i += 3) operators[String(values[i])] = { stateVersion: Number(values[i + 1]), state: values[i + 2] }
    return { nextTimer: Number.isFinite(due) ? new Date(due).toISOString() : null, operators }
  },
}

/** Of a key without a timer nothing is kept. */
const dueOf = (index: Uint8Array): number =>
  index.length === 0 ? Number.POSITIVE_INFINITY : new DataView(index.buffer, index.byteOffset, 8).getFloat64(0)

const finite = <N extends string>(name: N, value: number) => (Number.isFinite(value) ? ({ [name]: value } as Record<N, number>) : {})

/** The computer of a topology, over a store with nothing in it but a header: to be asked what its state looks like. */
export function emptyComputer(topology: Topology, header?: CheckpointHeader): Computer {
  const nothing = { header, get: () => undefined, entries: () => [] } as unknown as StateStore
  return sessionStage(topology).computer({ lineage: '', code: '', partition: 0 }, nothing)
}

function refuseOther(topology: Topology, header: CheckpointHeader): void {
  if (emptyComputer(topology, header).reads(String(header.layout))) return
  throw new EngineError(
    'CODE_CHANGED',
    `this state was written by ${String(header.code)}, with other operators than are set now`,
    'Give the settings (--set, --config) and the version that the process had which wrote it; or ask while that process runs: it answers itself.',
  )
}
