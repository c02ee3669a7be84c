// Planted bugs: what the product would be with one mistake in an operator or in a bound. Each must be caught by comparing what comes
// out with the evaluator's answer, on the nasty logs. Each bug wraps the product's own operators, so it stays a bug of what is shipped.
// Owns the list of mistakes; who runs them (fold-runner.ts alone, or the whole engine in the simulator) is the caller's choice.

import { backtracks } from '../../operators/backtracks.ts'
import type { SessionEvent } from '../../operators/contract.ts'
import { rageClicks } from '../../operators/rage-clicks.ts'
import type { NastySettings } from './nasty.ts'
import { plantedTaskBugs } from './planted-task-bugs.ts'
import { type AnyFold, after, before, copy, emitting, inFold, instead, keeping, metrics, type PlantedBug } from './planting.ts'

const rage = (bug: string, change: (fold: AnyFold) => AnyFold) => inFold('rage-clicks', bug, change)
const back = (bug: string, change: (fold: AnyFold) => AnyFold) => inFold('backtracks', bug, change)

const views = (events: SessionEvent[]) => events.filter((event) => event.type === 'screen_view' && event.screen !== 0)
const collapse = (events: SessionEvent[]) => events.filter((event, at) => event.screen !== events[at - 1]?.screen)
const completions = (events: SessionEvent[]) => events.filter((event) => event.type === 'task_completed')

const bound = (name: string, change: (settings: NastySettings) => Partial<NastySettings>): PlantedBug => ({
  name,
  of: 'engine',
  apply: (right) => ({ ...right, settings: { ...right.settings, ...change(right.settings) } }),
})

const isElementClick = (event: SessionEvent) => event.type === 'click' && event.element !== 0

export const plantedBugs: readonly PlantedBug[] = [
  rage('≥ for > in the time bound', instead(rageClicks({ clicks: 3, withinMs: 999 }))),
  rage('one ms too many', instead(rageClicks({ clicks: 3, withinMs: 1001 }))),
  rage('fires one click late', instead(rageClicks({ clicks: 4, withinMs: 1000 }))),
  rage('fires one click early', instead(rageClicks({ clicks: 2, withinMs: 1000 }))),
  rage('the timer is lost', (fold) => ({ ...fold, nextTimerMs: undefined, onTimer: undefined })),
  rage('the timer is one ms early', (fold) => ({ ...fold, nextTimerMs: (state) => fold.nextTimerMs!(state) - 1 })),
  rage('the timer is one ms late', (fold) => ({ ...fold, nextTimerMs: (state) => fold.nextTimerMs!(state) + 1 })),
  rage('the close does not end a burst', (fold) => ({ ...fold, onClose: undefined })),
  rage(
    'another element does not break the chain',
    before((burst, event) => (isElementClick(event) && burst.chain > 0 && event.element !== burst.element ? null : event)),
  ),
  rage(
    'a click without an element does not break the chain',
    before((_, event) => (event.type === 'click' && event.element === 0 ? null : event)),
  ),
  rage('any other event breaks the chain', (fold) => ({
    ...before((_, event) => (event.type === 'click' ? event : { ...copy(event, []), type: 'click' }))(fold),
    types: undefined,
  })),
  rage(
    'last for first: the time',
    emitting((incident) => ({ ...incident, firstMs: incident.lastMs })),
  ),
  rage(
    'first for last: the time',
    emitting((incident) => ({ ...incident, lastMs: incident.firstMs })),
  ),
  rage(
    'first for last: the evidence',
    emitting((incident) => ({ ...incident, last: incident.first + 2 })),
  ),
  rage(
    'the count stops at the N-th click',
    emitting((incident) => ({ ...incident, count: 3 })),
  ),
  rage(
    'only the N-th click and the end are told',
    emitting((incident) => (incident.open && incident.count > 3 ? null : incident)),
  ),
  rage('the screen of the last click', (fold) =>
    keeping({ lastScreen: 'symbol' })(
      before((burst, event) => {
        if (isElementClick(event) && event.element === burst.element && event.timeMs - burst.lastMs <= 1000) burst.lastScreen = event.screen
        return event
      })(emitting((incident, burst) => ({ ...incident, screen: burst.lastScreen }))(fold)),
    ),
  ),
  rage(
    'wrong tie: of equal times the chain begins with the second',
    emitting((incident, burst) => {
      const slots = [0, 1, 2]
      const tied = slots.find((slot) => burst.ms.at(slot) === incident.firstMs && burst.index.at(slot) > incident.first)
      return incident.open && incident.count === 3 && tied !== undefined ? { ...incident, first: burst.index.at(tied) } : incident
    }),
  ),
  rage(
    'a second incident in one chain',
    after((burst) => {
      if (burst.count > 3) burst.count = burst.chain = 0
    }),
  ),
  back('> for ≥ in the time bound', instead(backtracks({ withinMs: 19_999 }))),
  back('one ms too many', instead(backtracks({ withinMs: 20_001 }))),
  back('no time bound', instead(backtracks({ withinMs: Number.MAX_SAFE_INTEGER }))),
  back(
    'the time of the last view of an entry instead of its first',
    after((trail, event) => {
      if (event.type === 'screen_view' && event.screen !== 0 && event.screen === trail.screenB) trail.msB = event.timeMs
    }),
  ),
  back(
    'the identity of the last view of an entry instead of its first',
    after((trail, event) => {
      if (event.type === 'screen_view' && event.screen !== 0 && event.screen === trail.screenB) trail.indexB = event.index
    }),
  ),
  back(
    'a view without a screen begins anew',
    after((trail, event) => {
      if (event.type === 'screen_view' && event.screen === 0) trail.screenA = trail.screenB = 0
    }),
  ),
  back(
    'first for last: the time',
    emitting((incident) => ({ ...incident, lastMs: incident.firstMs })),
  ),
  back('the second of A, B, A, B is lost', (fold) =>
    emitting((incident, trail) => {
      trail.lost = trail.lost === incident.first - 1 ? 0 : incident.first
      return trail.lost === 0 ? null : incident
    })(keeping({ lost: 'index' })(fold)),
  ),
  metrics('65 screens in the sequence', (_, events, text) => ({
    screen_sequence: collapse(views(events))
      .slice(0, 65)
      .map((event) => text(event.screen)),
  })),
  metrics('repeats in the sequence', (_, events, text) => ({
    screen_sequence: views(events)
      .slice(0, 64)
      .map((event) => text(event.screen)),
  })),
  metrics('wrong tie: the younger first', (_, events, text) => ({
    screen_sequence: collapse(views([...events].sort((a, b) => a.timeMs - b.timeMs || b.index - a.index)))
      .slice(0, 64)
      .map((event) => text(event.screen)),
  })),
  metrics('unique screens count each entry', (_, events) => ({ unique_screens: collapse(views(events)).length })),
  metrics('unique screens stop with the sequence', (right) => ({ unique_screens: new Set(right.screen_sequence).size })),
  metrics('screens of other events count', (_, events) => ({
    unique_screens: new Set(events.map((event) => event.screen).filter((screen) => screen !== 0)).size,
  })),
  metrics('a failed task is completed, too', (_, events) => ({ tasks_completed: completions(events).length })),
  metrics('a task without outcome is not completed', (_, events) => ({
    tasks_completed: completions(events).filter((event) => event.success === true).length,
  })),
  metrics('a task without outcome has failed', (_, events) => ({
    tasks_failed: completions(events).filter((event) => event.success !== true).length,
  })),
  metrics('clicks without an element do not count', (_, events) => ({ click_count: events.filter(isElementClick).length })),
  metrics('backtracks count as rage clicks', (right) => ({ rage_clicks: right.rage_clicks + right.backtracks })),
  bound('sessions: ≥ for > in the gap', ({ gapMs }) => ({ gapMs: gapMs - 1 })),
  bound('sessions: one ms too many in the gap', ({ gapMs }) => ({ gapMs: gapMs + 1 })),
  bound('late: ≤ for < at the bound', ({ correctionMs }) => ({ correctionMs: correctionMs - 1 })),
  bound('late: one ms too many at the bound', ({ correctionMs }) => ({ correctionMs: correctionMs + 1 })),
  bound('watermark: one ms too far', ({ allowedDisorderMs }) => ({ allowedDisorderMs: allowedDisorderMs - 1 })),
  bound('caps: one event too many', ({ sessionEventsMax }) => ({ sessionEventsMax: sessionEventsMax + 1 })),
  bound('caps: ≥ for > in the longest session', ({ sessionMaxMs }) => ({ sessionMaxMs: sessionMaxMs - 1 })),
  ...plantedTaskBugs,
]
