// The clickstream without one of its operators each, or with one more, to see what that one costs. Windows, order, duplicates and timers are the engine's, and stay.
import type { Topology } from '../../engine/index.ts'
import { contextSwitches } from '../../operators/context-switches.ts'
import type { SessionFold } from '../../operators/contract.ts'
import { scores } from '../../operators/scores.ts'
import { sessionMetrics } from '../../operators/session-metrics.ts'
import { type ClickstreamSettings, clickstream } from '../../topologies/clickstream.ts'

type Make = (settings: ClickstreamSettings) => Topology

const changed =
  (change: (pipeline: Topology['pipeline'], settings: ClickstreamSettings) => Partial<Topology['pipeline']>): Make =>
  (settings) => {
    const whole = clickstream(settings)
    return { ...whole, sinks: [], pipeline: { ...whole.pipeline, ...change(whole.pipeline, settings) } }
  }
const withoutFold = (name: string): Make =>
  changed(({ folds }) => {
    const left = folds.filter((fold) => fold.name !== name)
    if (left.length !== folds.length - 1) throw new Error(`the clickstream has no operator ${name}`)
    return { folds: left }
  })
/** Its columns as constants: what is written stays the same. */
const noSwitches: typeof contextSwitches = (to) => ({
  ...to,
  run: (events, text, incidents) => Object.assign(to.run(events, text, incidents), { context_switches: 0 }),
})
const nothing: SessionFold<object> = { name: 'nothing', reads: [], run: () => ({}) }

export const withoutRageClicks = withoutFold('rage-clicks')
export const withoutBacktracks = withoutFold('backtracks')
export const withoutAbandonedTasks = withoutFold('abandoned-tasks')
export const withDeadClicks: Make = (settings) => clickstream({ ...settings, deadClicks: { ...settings.deadClicks, enabled: true } })
export const withoutContextSwitches = changed((_, settings) => ({ sessionFold: scores(noSwitches(sessionMetrics()), settings.scores) }))
export const withoutScores = changed(() => ({ sessionFold: contextSwitches(sessionMetrics()) }))
export const withoutSessionMetrics = changed(() => ({ sessionFold: nothing }))
export const withoutAny = changed(() => ({ folds: [], sessionFold: nothing }))
