// The clickstream with one more operator, which does to its thread what the element of an event says. Loaded by lanes in place of the product's.
import type { Topology } from '../../engine/index.ts'
import type { Fold } from '../../operators/contract.ts'
import { fold } from '../../operators/contract.ts'
import { type ClickstreamSettings, clickstream as shipped } from '../../topologies/clickstream.ts'

/** Told apart by their element; each is also an incident, where the operator is right. */
export const PLANTED = ['#loop', '#exit', '#memory', '#throw'] as const

/** `isRight`: as the operator should have been from the start. */
export function planted(settings: ClickstreamSettings, isRight: boolean): Topology {
  const topology = shipped(settings)
  const operator = fold({
    name: 'planted',
    stateVersion: 1,
    reads: ['element'],
    types: ['click'],
    state: { count: 'u32' },
    onEvent(state, event, emit) {
      const element = event.text(event.element) as (typeof PLANTED)[number]
      if (!PLANTED.includes(element)) return
      if (!isRight) harm(element)
      state.count++
      const at = { firstMs: event.timeMs, lastMs: event.timeMs, first: event.index, last: event.index }
      emit.incident({ kind: 'planted', profile: 'default', open: false, screen: 0, element: event.element, count: 1, of: 'click', ...at })
    },
  })
  return { ...topology, pipeline: { ...topology.pipeline, folds: [...topology.pipeline.folds, operator as unknown as Fold] } }
}

function harm(element: (typeof PLANTED)[number]): void {
  switch (element) {
    case '#loop':
      for (;;);
    case '#exit':
      process.exit(3)
      break
    case '#memory': {
      const kept: unknown[] = []
      // In small steps: of a large one V8 ends the whole process, and the next process looks for the record.
      for (;;) kept.push(new Array(50_000).fill(0.5))
    }
    case '#throw':
      throw new Error('planted')
  }
}

export const clickstream = (settings: ClickstreamSettings): Topology => planted(settings, false)
