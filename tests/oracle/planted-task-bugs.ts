// Planted bugs of abandoned tasks, dead clicks, context switches, scores and the ignore list; the others are in planted-bugs.ts, which lists all.
import { abandonedTasks, OPEN_TASKS_MAX } from '../../operators/abandoned-tasks.ts'
import { deadClicks } from '../../operators/dead-clicks.ts'
import { ignoreDefaults, ignoreNothing } from '../../operators/ignored-elements.ts'
import { rageClicks } from '../../operators/rage-clicks.ts'
import type { NastySettings } from './nasty.ts'
import { type AnyFold, type AnyState, after, before, copy, emitting, inFold, instead, metrics, type PlantedBug } from './planting.ts'

const task = (bug: string, change: (fold: AnyFold, settings: NastySettings) => AnyFold) => inFold('abandoned-tasks', bug, change)
const dead = (bug: string, change: (fold: AnyFold, settings: NastySettings) => AnyFold) => inFold('dead-clicks', bug, change)
const ignoring = (bug: string, ignore: { kinds: readonly string[]; texts: readonly string[] }) =>
  inFold('rage-clicks', bug, instead(rageClicks({ ignore })))

const latestFirst = (tasks: AnyState, type: number) => {
  const same = Array.from({ length: tasks.open }, (_, at) => at).filter((at) => tasks.type.at(at) === type)
  const [oldest, latest] = [same[0], same.at(-1)!]
  if (same.length < 2) return
  for (const field of [tasks.index, tasks.screen, tasks.startMs]) {
    const value = field.at(oldest)
    field.set(oldest, field.at(latest))
    field.set(latest, value)
  }
}

const tanhOfHalf = (sum: number) => Number(Math.tanh(sum / 2).toFixed(4))

export const plantedTaskBugs: readonly PlantedBug[] = [
  task('≥ for > in the time bound', (_, { abandonMs }) => abandonedTasks({ withinMs: abandonMs - 1 }) as unknown as AnyFold),
  task('one ms too many', (_, { abandonMs }) => abandonedTasks({ withinMs: abandonMs + 1 }) as unknown as AnyFold),
  task('the timer is lost', (fold) => ({ ...fold, nextTimerMs: undefined, onTimer: undefined })),
  task('the close does not end a task', (fold) => ({ ...fold, onClose: undefined })),
  task('a cap ends a task as a gap does', (fold) => ({
    ...fold,
    onClose: (state, emit, lastMs) => fold.onClose!(state, emit, lastMs, false),
  })),
  task('a gap ends a task as a cap does', (fold) => ({
    ...fold,
    onClose: (state, emit, lastMs) => fold.onClose!(state, emit, lastMs, true),
  })),
  task(
    'the oldest of its type is completed',
    before((tasks, event) => {
      if (event.type === 'task_completed') latestFirst(tasks, event.taskType)
      return event
    }),
  ),
  task(
    'a completion of any type will do',
    before((tasks, event) =>
      event.type === 'task_completed' && tasks.open > 0 ? { ...copy(event, ['screen']), taskType: tasks.type.at(tasks.open - 1) } : event,
    ),
  ),
  task(
    'a failed completion is none',
    before((_, event) => (event.type === 'task_completed' && event.success === false ? null : event)),
  ),
  task(
    'the ninth task is not watched',
    before((tasks, event) => (event.type === 'task_started' && tasks.open === OPEN_TASKS_MAX ? null : event)),
  ),
  task(
    'first for last: the time',
    emitting((incident) => ({ ...incident, lastMs: incident.firstMs })),
  ),
  task('the close is timed by the gap', (fold, { gapMs }) => ({
    ...fold,
    onClose: (state, emit, lastMs, cut) => fold.onClose!(state, emit, lastMs + gapMs, cut),
  })),
  task(
    'the type is lost',
    emitting((incident) => ({ ...incident, element: 0 })),
  ),
  task(
    'the screen is lost',
    emitting((incident) => ({ ...incident, screen: 0 })),
  ),
  dead('≥ for > in the time bound', (_, { deadClicks: own }) => deadClicks({ withinMs: own.withinMs - 1 }) as unknown as AnyFold),
  dead('one ms too many', (_, { deadClicks: own }) => deadClicks({ withinMs: own.withinMs + 1 }) as unknown as AnyFold),
  dead('the timer is lost', (fold) => ({ ...fold, nextTimerMs: undefined, onTimer: undefined })),
  dead('the timer is one ms late', (fold) => ({ ...fold, nextTimerMs: (state) => fold.nextTimerMs!(state) + 1 })),
  dead(
    'an event of the same millisecond that sorts before it does not count',
    after((click, event) => {
      if (event.type !== 'click') return
      click.waits = true
      click.index = event.index
      click.screen = event.screen
      click.element = event.element
    }),
  ),
  dead(
    'only screen views and clicks count',
    before((_, event) => (event.type === 'screen_view' || event.type === 'click' ? event : null)),
  ),
  dead(
    'the time at which it was found instead of its own',
    emitting((incident) => ({ ...incident, lastMs: incident.lastMs + 2500 })),
  ),
  ignoring('nothing is ignored', ignoreNothing),
  ignoring('kinds are not ignored', { ...ignoreDefaults, kinds: [] }),
  ignoring('texts are not ignored', { ...ignoreDefaults, texts: [] }),
  ignoring('a text within a word is ignored', { ...ignoreDefaults, texts: [...ignoreDefaults.texts, 'nextstep'] }),
  ignoring('other kinds are ignored', { ...ignoreDefaults, kinds: [...ignoreDefaults.kinds, 'label'] }),
  metrics('the first area is a switch', (right, events) => ({
    context_switches: right.context_switches + (events.some((event) => event.context !== 0) ? 1 : 0),
  })),
  metrics('no area is an area', (_, events) => ({
    context_switches: events.filter((event, at) => at > 0 && event.context !== events[at - 1].context).length,
  })),
  metrics('only screen views have an area', (_, events) => {
    const areas = events.filter((event) => event.type === 'screen_view' && event.context !== 0).map((event) => event.context)
    return { context_switches: areas.filter((area, at) => at > 0 && area !== areas[at - 1]).length }
  }),
  metrics('an abandoned task is a failed one', (right) => ({ tasks_failed: right.tasks_failed + right.tasks_abandoned })),
  metrics('dead clicks count as rage clicks', (right) => ({ rage_clicks: right.rage_clicks + right.dead_clicks })),
  metrics('efficiency rises', (right) => ({ efficiency_score: 1 - right.efficiency_score })),
  metrics('frustration is one half where nothing was wrong', (right) => ({ frustration_score: (1 + right.frustration_score) / 2 })),
  metrics('frustration has the weights of efficiency', (right) => ({
    frustration_score: 1 - right.efficiency_score,
  })),
  metrics('frustration counts rage clicks alone', (right) => ({ frustration_score: tanhOfHalf(0.8 * right.rage_clicks) })),
]
