// A pipeline's steps as one function of a record. Owns what a step without state does, and the form of what leaves; operators are the computer's.
import type { TopicOutput } from '../engine/actor/outputs.ts'
import { RECORD_BYTES_MAX } from '../model/event.ts'
import type { AnyOperator } from './operator.ts'
import type { Step } from './pipelines.ts'
import { checkedKey } from './record-key.ts'

export type Next = (record: unknown) => void

/** What a topic of the topology's own holds: a record (k key, t time, s upstream, v record), or how far an upstream has come (t, s). */
export interface HopRecord {
  k?: string
  t: number
  s: number
  v?: unknown
}

/** What the steps need of who runs them. */
export interface StepHost {
  /** Of the record or the timer under way. */
  now(): number
  key(): string
  output(topic: string): TopicOutput
  fold(slot: number, operator: AnyOperator, record: unknown): void
  /** Where an operator's records go. */
  onOperator(slot: number, next: Next): void
  onHop(hop: { topic: string; upstream: number }): void
}

export function stepFunctions(step: Step, host: StepHost): Next {
  const nexts = [
    ...step.steps.map((own) => stepFunctions(own, host)),
    ...step.outputs.map((topic) => outputTo(topic, host)),
    ...step.hops.map((hop) => hopTo(hop, host)),
  ]
  const next: Next =
    nexts.length === 1
      ? nexts[0]
      : (record) => {
          for (const one of nexts) one(record)
        }
  const { node } = step
  switch (node?.kind) {
    case undefined:
      return next
    case 'filter':
      return (record) => {
        if (node.test(record)) next(record)
      }
    case 'map':
      return (record) => next(node.map(record))
    case 'flatMap':
      return (record) => {
        for (const one of node.flatMap(record)) next(one)
      }
    case 'operator':
      host.onOperator(step.slot, next)
      return (record) => host.fold(step.slot, node.operator, record)
  }
}

function outputTo(topic: string, host: StepHost): Next {
  const output = host.output(topic)
  return (record) => output.write(jsonOf(record))
}

function hopTo({ topic, upstream, key }: Step['hops'][number], host: StepHost): Next {
  const output = host.output(topic)
  host.onHop({ topic, upstream })
  return (record) => {
    const k = key ? checkedKey(key(record), `the key for ${topic}`) : host.key()
    output.write(`{"k":${JSON.stringify(k)},"t":${host.now()},"s":${upstream},"v":${jsonOf(record)}}`)
  }
}

/** Throws where a record cannot be one of a topic. */
function jsonOf(record: unknown): string {
  const text = JSON.stringify(record) as string | undefined
  if (text === undefined) throw new TypeError(`a record of a topic must be JSON, and this is ${typeof record}`)
  if (text.length * 3 > RECORD_BYTES_MAX && Buffer.byteLength(text) > RECORD_BYTES_MAX)
    throw new RangeError(`a record of a topic takes ${RECORD_BYTES_MAX} bytes at most, and this ${Buffer.byteLength(text)}`)
  return text
}
