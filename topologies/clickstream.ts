// The clickstream: product events in, sessions and friction incidents out.
import { sink, source, type Topology, topology, type WindowSettings } from '../engine/index.ts'
import { backtracks } from '../operators/backtracks.ts'
import { type RageClickOptions, rageClicks } from '../operators/rage-clicks.ts'
import { sessionMetrics } from '../operators/session-metrics.ts'

export interface ClickstreamSettings extends WindowSettings {
  rage: RageClickOptions
  backtrackMs: number
}

export const clickstream = (settings: ClickstreamSettings): Topology =>
  topology(
    'clickstream',
    source('events.raw', { key: ['orgId', 'productId'] })
      .sessions(settings)
      .fold(rageClicks(settings.rage))
      .fold(backtracks({ withinMs: settings.backtrackMs }))
      .whenFired(sessionMetrics())
      .to({ sessions: 'events.sessionized', incidents: 'events.incidents', late: 'events.late', deadLetters: 'events.dlq' }),
    [
      sink('events.raw', 'events_raw'),
      sink('events.sessionized', 'fact_sessions'),
      sink('events.incidents', 'fact_incidents'),
      sink('events.late', 'events_late'),
      sink('events.dlq', 'events_dlq'),
    ],
  )
