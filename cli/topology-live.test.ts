// What two looks say about the edges.
import { expect, test } from 'vitest'
import { defaults } from '../config/index.ts'
import { clickstreamSettings, type Stats } from '../services/process/embedded.ts'
import { clickstream } from '../topologies/clickstream.ts'
import { drawing } from './topology-drawing.ts'
import { live } from './topology-live.ts'

const drawn = drawing(clickstream(clickstreamSettings({ ...defaults, data: 'd' })))

function look(ms: number, { read, end, sessions, written }: Record<'read' | 'end' | 'sessions' | 'written', number[]>) {
  const tasks = read.map((position, partition) => ({ partition, position, accepted: position, users: 1 }))
  const sinks = [{ sink: 'fact_sessions', done: written }]
  return { ms, stats: { tasks, sinks, ends: { 'events.raw': end, 'events.sessionized': sessions } } as unknown as Stats }
}

test('rates are of the time between them, lag is what waits now, both summed over the partitions', () => {
  const before = look(1_000, { read: [10, 20], end: [50, 60], sessions: [3, 4], written: [1, 2] })
  const now = look(3_000, { read: [110, 20], end: [150, 60], sessions: [3, 14], written: [2, 5] })
  const found = live(drawn, before, now)
  expect(found).toMatchObject({ name: 'clickstream', events: 130, users: 2 })
  const edge = (to: string, from?: string) => found.edges.find((edge) => edge.to === to && (!from || edge.from === from))
  expect(found.edges.find(({ from, lag }) => from === 'events.raw' && lag === 80)).toMatchObject({ perSecond: 50 })
  expect(edge('events.sessionized')).toMatchObject({ perSecond: 5 })
  expect(edge('fact_sessions')).toMatchObject({ perSecond: 2, lag: 10 })
  // Nobody counts what a fold is given.
  expect(found.edges.filter(({ perSecond }) => perSecond === undefined).length).toBeGreaterThan(2)
})

test('a process that began again meanwhile has no negative rates', () => {
  const before = look(0, { read: [10], end: [10], sessions: [5], written: [5] })
  const now = look(1_000, { read: [0], end: [10], sessions: [5], written: [0] })
  for (const { perSecond = 0 } of live(drawn, before, now).edges) expect(perSecond).toBeGreaterThanOrEqual(0)
})
