// The clickstream: product events in, sessions, friction incidents and sums over them out.
import { sink, source, type Topology, topology, type WindowSettings } from '../engine/index.ts'
import { abandonedTasks } from '../operators/abandoned-tasks.ts'
import { backtracks } from '../operators/backtracks.ts'
import { contextSwitches } from '../operators/context-switches.ts'
import { deadClicks } from '../operators/dead-clicks.ts'
import { flows } from '../operators/flows.ts'
import { hotspots } from '../operators/hotspots.ts'
import { overview } from '../operators/overview.ts'
import { type RageClickOptions, rageClicks } from '../operators/rage-clicks.ts'
import { type ScoreOptions, scores } from '../operators/scores.ts'
import { sessionMetrics } from '../operators/session-metrics.ts'
import { taskTypes } from '../operators/task-types.ts'
import { tasks } from '../operators/tasks.ts'

export interface ClickstreamSettings extends WindowSettings {
  rage: RageClickOptions
  backtrackMs: number
  abandonMs: number
  deadClicks: { enabled: boolean; withinMs: number }
  scores: ScoreOptions
}

export const clickstream = (settings: ClickstreamSettings): Topology =>
  topology(
    'clickstream',
    source('events.raw', { key: ['orgId', 'productId'] })
      .sessions(settings)
      .fold(rageClicks(settings.rage))
      .fold(backtracks({ withinMs: settings.backtrackMs }))
      .fold(abandonedTasks({ withinMs: settings.abandonMs }))
      .fold(settings.deadClicks.enabled && deadClicks(settings.deadClicks))
      .whenFired(tasks(scores(contextSwitches(sessionMetrics()), settings.scores), { withinMs: settings.abandonMs, gapMs: settings.gapMs }))
      .to(
        {
          sessions: 'events.sessionized',
          incidents: 'events.incidents',
          tiles: 'events.tiles',
          late: 'events.late',
          deadLetters: 'events.dlq',
        },
        [overview(), hotspots(), flows(), taskTypes()],
      ),
    [
      sink('events.raw', 'events_raw'),
      sink('events.sessionized', 'fact_sessions'),
      sink('events.incidents', 'fact_incidents'),
      sink('events.tiles', 'fact_overview_hourly'),
      sink('events.tiles', 'fact_screen_hotspots'),
      sink('events.tiles', 'fact_flows'),
      sink('events.tiles', 'fact_tasks_hourly'),
      sink('events.late', 'events_late'),
      sink('events.dlq', 'events_dlq'),
    ],
  )
