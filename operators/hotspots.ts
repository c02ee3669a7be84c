// Screen hotspots: how often screens are seen, and what goes wrong at which of their elements, by day. Definition: docs/events.md.
import type { Tile } from './contract.ts'
import type { SessionMetrics } from './session-metrics.ts'

const DAY_MS = 86_400_000

/** A screen's own cell has neither element nor kind; each kind of incident at an element has a cell of its own. */
export const hotspots = (): Tile<SessionMetrics> => ({
  name: 'hotspots',
  // The screen last: parts of one session differ in it only, and what is the same before it is looked up once.
  cell: ['day', 'element', 'kind', 'screen'],
  sums: ['sessions', 'views', 'incidents', 'events'],
  onSession({ started_at, screen_sequence }, add) {
    const day = Math.floor(started_at / DAY_MS) * DAY_MS
    for (let i = 0; i < screen_sequence.length; i++) {
      const screen = screen_sequence[i]
      if (screen_sequence.indexOf(screen) < i) continue
      let views = 1
      for (let next = i + 1; next < screen_sequence.length; next++) if (screen_sequence[next] === screen) views++
      add([day, '', '', screen], [1, views, 0, 0])
    }
  },
  onIncident({ first_at, screen, element, kind, count }, add) {
    add([Math.floor(first_at / DAY_MS) * DAY_MS, element, kind, screen], [0, 0, 1, count])
  },
})
