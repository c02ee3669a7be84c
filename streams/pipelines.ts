// Branches → pipelines: for each input (a source, or a topic of the topology's own) the tree of what happens to its records. Pure.
//
// What is written once is done once: a stream that two branches go on from is one node, found by identity.
import type { AnyOperator } from './operator.ts'
import type { Branch, HopNode, InputNode, Node, SourceNode, StepNode } from './stream.ts'

export interface Step {
  /** Undefined for the input itself. */
  node: StepNode | undefined
  /** Of an operator: where its state is in its key's. */
  slot: number
  steps: Step[]
  outputs: string[]
  hops: { topic: string; upstream: number; key: ((record: unknown) => string) | undefined }[]
}

export interface Pipeline {
  /** What it reads. */
  topic: string
  input: InputNode
  root: Step
  operators: AnyOperator[]
  late: string
  deadLetters: string
}

const NAME = /^[A-Za-z0-9][\w.-]{0,99}$/

export function pipelines(name: string, branches: readonly Branch<unknown>[]): Pipeline[] {
  const wrong = (what: string): never => {
    throw new TypeError(`topology ${name}: ${what}`)
  }
  if (!NAME.test(name)) wrong('its name may have letters, digits, dots, dashes and underscores')
  if (branches.length === 0) wrong('it has no branch; end a stream with .to(topic)')
  const made = new Map<InputNode, Pipeline>()
  const steps = new Map<Node, Step>()
  const order: Pipeline[] = []
  const sources = new Map<string, SourceNode>()
  let hops = 0

  const input = (node: InputNode): Pipeline => {
    const known = made.get(node)
    if (known) return known
    const other = node.kind === 'source' ? sources.get(node.topic) : undefined
    if (node.kind === 'source' && other) {
      // The same source, once with its key and once without.
      if (other.read !== node.read || (other.key && node.key))
        wrong(`${node.topic} is a source twice; declare it once, with one key, and go on from it twice`)
      const pipeline = made.get(other)!
      if (node.key) pipeline.input = node
      made.set(node, pipeline)
      steps.set(node, pipeline.root)
      return pipeline
    }
    const topic = node.kind === 'source' ? node.topic : `${name}.${node.name ?? `rekey-${++hops}`}`
    const root: Step = { node: undefined, slot: -1, steps: [], outputs: [], hops: [] }
    const pipeline: Pipeline = { topic, input: node, root, operators: [], late: `${name}.late`, deadLetters: `${name}.dlq` }
    made.set(node, pipeline)
    steps.set(node, root)
    if (node.kind === 'hop')
      for (const [upstream, { node: from, key }] of (node as HopNode).from.entries()) step(from).hops.push({ topic, upstream, key })
    else sources.set(topic, node)
    order.push(pipeline)
    return pipeline
  }
  const inputOf = (node: Node): InputNode => (node.kind === 'source' || node.kind === 'hop' ? node : inputOf(node.parent))
  const step = (node: Node): Step => {
    const known = steps.get(node)
    if (known) return known
    if (node.kind === 'source' || node.kind === 'hop') return input(node).root
    const parent = step(node.parent)
    const own: Step = { node, slot: -1, steps: [], outputs: [], hops: [] }
    if (node.kind === 'operator') {
      const { operators } = input(inputOf(node))
      const { operator } = node
      const all = order.flatMap((pipeline) => pipeline.operators)
      if (all.some((other) => other.name === operator.name)) wrong(`two operators are called ${operator.name}; state is kept by name`)
      if (!Number.isSafeInteger(operator.stateVersion ?? 1)) wrong(`stateVersion of ${operator.name} must be a whole number`)
      own.slot = operators.push(operator) - 1
    }
    parent.steps.push(own)
    steps.set(node, own)
    return own
  }

  for (const { node, topic } of branches) {
    const { outputs } = step(node)
    if (outputs.includes(topic)) wrong(`a stream goes to ${topic} twice`)
    outputs.push(topic)
  }
  const inputs = order.map(({ topic }) => topic)
  const own = [`${name}.late`, `${name}.dlq`]
  for (const topic of [...inputs, ...branches.map((branch) => branch.topic)]) {
    if (!NAME.test(topic)) wrong(`a topic cannot be called ${topic}`)
    if (own.includes(topic)) wrong(`${topic} is where it puts what it cannot process; choose another name`)
  }
  const twice = inputs.find((topic, i) => inputs.indexOf(topic) !== i || branches.some((branch) => branch.topic === topic))
  if (twice) wrong(`${twice} is read by it, and written too`)
  // A topic must be written before it is read: hops come after what they come from.
  return order
}
