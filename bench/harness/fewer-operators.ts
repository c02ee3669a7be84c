// The clickstream without one of its operators each, to see what that one costs. Windows, order, duplicates and timers are the engine's, and stay.
import { source, type Topology, topology } from '../../engine/index.ts'
import { backtracks } from '../../operators/backtracks.ts'
import type { SessionFold } from '../../operators/contract.ts'
import { rageClicks } from '../../operators/rage-clicks.ts'
import { sessionMetrics } from '../../operators/session-metrics.ts'
import type { ClickstreamSettings } from '../../topologies/clickstream.ts'

const outputs = { sessions: 'events.sessionized', incidents: 'events.incidents', late: 'events.late', deadLetters: 'events.dlq' }
const noMetrics = (): SessionFold<object> => ({ name: 'nothing', reads: [], run: () => ({}) })
const windowed = (settings: ClickstreamSettings) => source('events.raw', { key: ['orgId', 'productId'] }).sessions(settings)
const named = (pipeline: Topology['pipeline']) => topology('clickstream', pipeline, [])

export const withoutRageClicks = (settings: ClickstreamSettings): Topology =>
  named(
    windowed(settings)
      .fold(backtracks({ withinMs: settings.backtrackMs }))
      .whenFired(sessionMetrics())
      .to(outputs),
  )

export const withoutBacktracks = (settings: ClickstreamSettings): Topology =>
  named(windowed(settings).fold(rageClicks(settings.rage)).whenFired(sessionMetrics()).to(outputs))

export const withoutSessionMetrics = (settings: ClickstreamSettings): Topology =>
  named(
    windowed(settings)
      .fold(rageClicks(settings.rage))
      .fold(backtracks({ withinMs: settings.backtrackMs }))
      .whenFired(noMetrics())
      .to(outputs),
  )

export const withoutAny = (settings: ClickstreamSettings): Topology => named(windowed(settings).whenFired(noMetrics()).to(outputs))
