// How a mistake is planted: the product's own operators, wrapped, so that it stays a mistake in what is shipped. Owns no mistake itself
// (planted-bugs.ts).

import { abandonedTasks } from '../../operators/abandoned-tasks.ts'
import { backtracks } from '../../operators/backtracks.ts'
import { contextSwitches } from '../../operators/context-switches.ts'
import type { Fold, Incident, SessionEvent, SessionFold } from '../../operators/contract.ts'
import { deadClicks } from '../../operators/dead-clicks.ts'
import { rageClicks } from '../../operators/rage-clicks.ts'
import { scores } from '../../operators/scores.ts'
import { sessionMetrics } from '../../operators/session-metrics.ts'
import { tasks } from '../../operators/tasks.ts'
import { type Operators, rowOf, type SessionColumns } from './fold-runner.ts'
import type { NastySettings } from './nasty.ts'

/** The operators and bounds that a run uses. */
export interface Planted {
  operators: Operators
  settings: NastySettings
}

export interface PlantedBug {
  name: string
  /** Where the mistake is: engine bugs are made with the bounds that the engine is given. */
  of: 'operator' | 'engine'
  apply(right: Planted): Planted
}

// biome-ignore lint/suspicious/noExplicitAny: a bug reaches into the state of any fold by name
export type AnyState = any
export type AnyFold = Fold<Record<string, never>>

/** The operators as they are shipped. */
export const productOperators = ({ rage, abandonMs, gapMs, deadClicks: dead }: NastySettings): Operators => ({
  folds: [
    rageClicks(rage),
    backtracks(),
    abandonedTasks({ withinMs: abandonMs }),
    ...(dead.enabled ? [deadClicks(dead)] : []),
  ] as unknown as Fold[],
  session: tasks(scores(contextSwitches(sessionMetrics())), { withinMs: abandonMs, gapMs }),
})

export const inFold = (name: string, bug: string, change: (fold: AnyFold, settings: NastySettings) => AnyFold): PlantedBug => ({
  name: `${name}: ${bug}`,
  of: 'operator',
  apply: (right) => {
    const wrong = (fold: Fold) => change(fold as unknown as AnyFold, right.settings) as unknown as Fold
    const folds = right.operators.folds.map((fold) => (fold.name === name ? wrong(fold) : fold))
    return { ...right, operators: { ...right.operators, folds } }
  },
})
/** The whole fold with other options. */
export const instead = (other: unknown) => () => other as AnyFold
/** Every incident changed before it is emitted; null swallows it. */
export const emitting =
  (change: (incident: Incident, state: AnyState) => Incident | null) =>
  (fold: AnyFold): AnyFold => {
    const through = (state: AnyState, emit: { incident(one: Incident): void }) => ({
      incident: (one: Incident) => {
        const changed = change(one, state)
        if (changed) emit.incident(changed)
      },
    })
    return {
      ...fold,
      onEvent: (state, event, emit) => fold.onEvent(state, event, through(state, emit)),
      onTimer: fold.onTimer && ((state, nowMs, emit) => fold.onTimer!(state, nowMs, through(state, emit))),
      onClose: fold.onClose && ((state, emit, lastMs, cut) => fold.onClose!(state, through(state, emit), lastMs, cut)),
    }
  }
/** Something done before each event; it may put another event in its place, or none. */
export const before =
  (change: (state: AnyState, event: SessionEvent) => SessionEvent | null) =>
  (fold: AnyFold): AnyFold => ({
    ...fold,
    onEvent: (state, event, emit) => {
      const changed = change(state, event)
      if (changed) fold.onEvent(state, changed, emit)
    },
  })
/** Something done after each event. */
export const after =
  (change: (state: AnyState, event: SessionEvent) => void) =>
  (fold: AnyFold): AnyFold => ({
    ...fold,
    onEvent: (state, event, emit) => {
      fold.onEvent(state, event, emit)
      change(state, event)
    },
  })
/** Fields that only the bug keeps in the state. */
export const keeping =
  (state: Record<string, string>) =>
  (fold: AnyFold): AnyFold => ({ ...fold, state: { ...fold.state, ...state } as never })

/** A copy: what operators are given is one accessor that moves, and an engine's may read only what was declared. */
export const copy = (event: SessionEvent, reads: readonly string[]): SessionEvent => ({
  type: event.type,
  timeMs: event.timeMs,
  index: event.index,
  screen: reads.includes('screen') ? event.screen : 0,
  element: reads.includes('element') ? event.element : 0,
  taskType: reads.includes('taskType') ? event.taskType : 0,
  context: reads.includes('context') ? event.context : 0,
  success: reads.includes('success') ? event.success : undefined,
  x: reads.includes('x') ? event.x : Number.NaN,
  y: reads.includes('y') ? event.y : Number.NaN,
  text: (symbol) => event.text(symbol),
})

type Text = (symbol: number) => string
export const metrics = (
  bug: string,
  change: (right: SessionColumns, events: SessionEvent[], text: Text) => Partial<SessionColumns>,
  reads: SessionFold<SessionColumns>['reads'] = ['screen', 'element', 'success', 'context'],
): PlantedBug => ({
  name: `session-metrics: ${bug}`,
  of: 'operator',
  apply: (right) => {
    const fold = right.operators.session
    let events: SessionEvent[] = []
    const session: SessionFold<SessionColumns> = {
      ...fold,
      reads,
      begin() {
        events = []
      },
      onEvent(event) {
        events.push(copy(event, reads))
      },
      row(text, incidents) {
        const rightAnswer = rowOf(fold, events, text, incidents)
        return { ...rightAnswer, ...change(rightAnswer, events, text) }
      },
    }
    return { ...right, operators: { ...right.operators, session } }
  },
})
