// A topology as a graph of nodes and edges: what describe prints, whatever the format. Pure.
import type { Topology } from '../engine/index.ts'

export interface Drawing {
  name: string
  nodes: { id: string; label: string; kind: 'topic' | 'window' | 'fold' | 'step' | 'table'; remark?: string }[]
  edges: { from: string; to: string; label?: string }[]
  settings: Record<string, unknown>
}

export function drawing({ name, pipeline, sinks }: Topology): Drawing {
  const { source, window, folds, sessionFold, tiles, outputs } = pipeline
  const nodes: Drawing['nodes'] = []
  const edges: Drawing['edges'] = []
  const node = (kind: Drawing['nodes'][number]['kind'], label: string, remark?: string): string => {
    const id = `${kind}_${label.replace(/\W/g, '_')}`
    if (!nodes.some((known) => known.id === id)) nodes.push({ id, label, kind, ...(remark ? { remark } : {}) })
    return id
  }
  const from = node('topic', source.topic, `key ${source.key.join(':')}`)
  const sessions = node('window', pipeline.name, 'session windows per user, events in order and once')
  edges.push({ from, to: sessions })
  const output = (fold: string, topic: string, label?: string) =>
    edges.push({ from: fold, to: node('topic', topic), ...(label ? { label } : {}) })
  for (const { name: fold } of folds) {
    const id = node('fold', fold, 'as events come')
    edges.push({ from: sessions, to: id })
    output(id, outputs.incidents)
  }
  const fired = node('fold', sessionFold.name, 'when a session closes, changes afterwards, or is asked for')
  edges.push({ from: sessions, to: fired })
  output(fired, outputs.sessions)
  for (const { name: tile, onSession, onIncident } of tiles) {
    const id = node('fold', tile, 'sums of what leaves, by cells')
    if (onSession) edges.push({ from: fired, to: id })
    if (onIncident) for (const { name: fold } of folds) edges.push({ from: node('fold', fold), to: id })
    if (outputs.tiles !== undefined) output(id, outputs.tiles)
  }
  output(sessions, outputs.late, 'too late')
  output(sessions, outputs.deadLetters, 'failed')
  for (const { topic, table } of sinks) edges.push({ from: node('topic', topic), to: node('table', table) })
  return { name, nodes, edges, settings: { ...window } }
}
