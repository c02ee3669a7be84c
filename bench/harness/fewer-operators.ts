// The clickstream without one of its operators each, or with one more, to see what that one costs. Windows, order, duplicates and timers are the engine's, and stay.
import type { Topology } from '../../engine/index.ts'
import { type ContextSwitches, contextSwitches } from '../../operators/context-switches.ts'
import type { SessionFold } from '../../operators/contract.ts'
import { type Scores, scores } from '../../operators/scores.ts'
import { type SessionMetrics, sessionMetrics } from '../../operators/session-metrics.ts'
import { tasks } from '../../operators/tasks.ts'
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
  row: (text, incidents) => Object.assign(to.row(text, incidents), { context_switches: 0 }),
})
/** Tiles need the columns: where those are missing their price is in the figure, too. */
const noTiles = ({ outputs: { tiles, ...outputs } }: Topology['pipeline']) => ({ tiles: [], outputs })
const nothing: SessionFold<object> = { name: 'nothing', reads: [], begin() {}, onEvent() {}, row: () => ({}) }

export const withoutRageClicks = withoutFold('rage-clicks')
export const withoutBacktracks = withoutFold('backtracks')
export const withoutAbandonedTasks = withoutFold('abandoned-tasks')
export const withDeadClicks: Make = (settings) => clickstream({ ...settings, deadClicks: { ...settings.deadClicks, enabled: true } })
const withTasks = (to: SessionFold<SessionMetrics & ContextSwitches & Scores>, { abandonMs, gapMs }: ClickstreamSettings) =>
  tasks(to, { withinMs: abandonMs, gapMs })

export const withoutContextSwitches = changed((_, settings) => ({
  sessionFold: withTasks(scores(noSwitches(sessionMetrics()), settings.scores), settings),
}))
export const withoutTasks = changed((pipeline, settings) => ({
  ...noTiles(pipeline),
  sessionFold: scores(contextSwitches(sessionMetrics()), settings.scores),
}))
export const withoutTiles = changed(noTiles)
export const withoutScores = changed((pipeline) => ({ ...noTiles(pipeline), sessionFold: contextSwitches(sessionMetrics()) }))
export const withoutSessionMetrics = changed((pipeline) => ({ ...noTiles(pipeline), sessionFold: nothing }))
export const withoutAny = changed((pipeline) => ({ ...noTiles(pipeline), folds: [], sessionFold: nothing }))
