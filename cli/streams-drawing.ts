// A topology of one's own as a graph of nodes and edges, in the form of topology-drawing. Pure.
import type { Step } from '../streams/pipelines.ts'
import type { StepNode, Topology } from '../streams/stream.ts'
import type { Drawing } from './topology-drawing.ts'

type Node = Drawing['nodes'][number]

export function streamsDrawing({ name, pipelines, branches }: Topology): Drawing {
  const nodes: Node[] = []
  const edges: Drawing['edges'] = []
  const settings: Drawing['settings'] = {}
  const edge = (from: string, to: string, label?: string) => edges.push({ from, to, ...(label ? { label } : {}) })
  const topic = (label: string, remark?: string): string => {
    const id = `topic_${label.replace(/\W/g, (character) => `_${character.charCodeAt(0)}_`)}`
    const known = nodes.find((node) => node.id === id)
    if (!known) nodes.push({ id, label, kind: 'topic', ...(remark ? { remark } : {}) })
    return id
  }
  let count = 0
  const follow = (from: string, { steps, outputs, hops }: Step): void => {
    for (const own of steps) {
      const id = `step_${++count}`
      nodes.push({ id, ...described(own.node!) })
      edge(from, id)
      follow(id, own)
    }
    for (const output of outputs) edge(from, topic(output))
    for (const { topic: hop, key } of hops) edge(from, topic(hop), key ? 'new key' : 'merged')
  }
  for (const { topic: read, input } of pipelines) {
    if (input.kind === 'source') {
      const { format, key, allowedDisorderMs, idleTimeoutMs } = input
      topic(read, `source: ${format === 'lines' ? 'lines of text' : 'JSON records'}${key ? ' by key' : ''}`)
      settings[read] = { allowedDisorderMs, idleTimeoutMs }
    } else topic(read, input.from.length > 1 ? 'merged, in order of event time' : 'by another key')
  }
  for (const { topic: read, root, late, deadLetters } of pipelines) {
    follow(topic(read), root)
    edge(topic(read), topic(late), 'too late')
    edge(topic(read), topic(deadLetters), 'failed')
  }
  for (const { topic: output, table } of branches) {
    if (!table) continue
    const id = `table_${table.name}`
    nodes.push({ id, label: table.name, kind: 'table', remark: Object.keys(table.columns).join(', ') })
    edge(topic(output), id)
  }
  return { name, nodes, edges, settings }
}

/** A function is described by its name, where it has one. */
function described(node: StepNode): Omit<Node, 'id'> {
  switch (node.kind) {
    case 'operator': {
      const { name, stateVersion = 1, nextTimerMs } = node.operator
      return { label: name, kind: 'fold', remark: `state per key, version ${stateVersion}${nextTimerMs ? ', timers' : ''}` }
    }
    case 'filter':
      return step('filter', node.test)
    case 'map':
      return step('map', node.map)
    case 'flatMap':
      return step('flatMap', node.flatMap)
  }
}

const step = (label: string, { name }: { name: string }): Omit<Node, 'id'> => ({ label, kind: 'step', ...(name ? { remark: name } : {}) })
