// One user's visit: screens along links, clicks, tasks with their outcomes, rage bursts, there-and-back, errors, custom events.
// Owns what the user does next and writes it as a line. Never knows other users, nor what happens to the line afterwards.
import { fragment, type LineWriter } from './line-writer.ts'
import type { Random } from './random.ts'
import type { Story } from './story.ts'
import type { Product, Template } from './world.ts'

export interface Visit {
  user: number
  head: Uint8Array
  product: Product
  screen: number
  /** Events still to come; a burst or a way back that has begun is finished first. */
  left: number
  nextMs: number
  /** Index of the task under way, or −1, and how far along its path it is. */
  task: number
  step: number
  /** Clicks left of a rage burst, and what they hit. */
  burst: number
  burstElement: number
  /** 0, or 1: about to leave a screen that it was just on for another, or 2: about to go back to it. */
  detour: number
  detourFrom: number
  /** Told what happens, where somebody wants to know. */
  story: Story | undefined
}

/** What was put in on purpose. */
export interface Planted {
  rageBursts: number
  backtracks: number
  tasksStarted: number
  tasksCompleted: number
}

const OPEN = fragment('{"eventId":"')
const CLOSE = fragment('}\n')
const VIEW = fragment('screen_view","ts":')
const CLICK = fragment('click","ts":')
const ERROR = fragment('error","ts":')
const STARTED = fragment('task_started","ts":')
const COMPLETED = fragment('task_completed","ts":')
const X = fragment(',"x":')
const Y = fragment(',"y":')
const SUCCESS = fragment(',"success":true')
const FAILURE = fragment(',"success":false')
const LOAD: Template = [fragment(',"properties":{"loadMs":'), fragment(',"viewport":"1440x900","build":"2026.'), fragment('"}')]

/** Between two events of a person, ms: one of these and up to half of it more. */
const PAUSES_MS = [
  0, 0, 90, 400, 700, 900, 1200, 1500, 1900, 2400, 2900, 3500, 4200, 5000, 6000, 7200, 8500, 10_000, 13_000, 17_000, 23_000, 32_000, 48_000,
  75_000,
]
const VISIT_EVENTS = [5, 7, 8, 10, 12, 14, 16, 18, 20, 22, 25, 28, 31, 35, 40, 46, 53, 60]
export const VISIT_EVENTS_MEAN = VISIT_EVENTS.reduce((sum, count) => sum + count, 0) / VISIT_EVENTS.length

export function beginVisit(user: number, head: Uint8Array, product: Product, startMs: number, random: Random, story?: Story): Visit {
  return {
    user,
    head,
    product,
    screen: -1,
    left: random.pick(VISIT_EVENTS),
    nextMs: startMs,
    task: -1,
    step: 0,
    burst: 0,
    burstElement: 0,
    detour: 0,
    detourFrom: 0,
    story,
  }
}

function begin(visit: Visit, kind: Uint8Array, random: Random, to: LineWriter): void {
  to.put(OPEN)
  to.uuid(random.word(), random.word(), random.word(), random.word())
  to.put(visit.head)
  to.put(kind)
  to.long(visit.nextMs)
  to.put(visit.product.screens[visit.screen].screen)
}

function finish(visit: Visit, to: LineWriter): void {
  to.put(visit.product.screens[visit.screen].context)
  to.put(CLOSE)
}

function finishWith(visit: Visit, properties: Template, random: Random, to: LineWriter): void {
  to.put(visit.product.screens[visit.screen].context)
  to.put(properties[0])
  for (let i = 1; i < properties.length; i++) {
    to.integer(random.between(1, 4999))
    to.put(properties[i])
  }
  to.put(CLOSE)
}

function pause(visit: Visit, random: Random): void {
  const ms = random.pick(PAUSES_MS)
  visit.nextMs += ms + (ms > 0 ? random.below(ms >> 1) : 0)
  // Now and then the telephone rings: some of these pauses end the session, some just do not.
  if (random.below(400) === 0) visit.nextMs += random.between(300_000, 2_700_000)
}

function view(visit: Visit, screen: number, random: Random, to: LineWriter): void {
  visit.screen = screen
  begin(visit, VIEW, random, to)
  finishWith(visit, LOAD, random, to)
  visit.story?.wrote('screen_view', visit.nextMs, screen)
}

function click(visit: Visit, element: number, random: Random, to: LineWriter): void {
  begin(visit, CLICK, random, to)
  to.put(visit.product.screens[visit.screen].elements[element])
  to.put(X)
  to.integer(40 + element * 90 + random.below(60))
  to.put(Y)
  to.integer(80 + element * 50 + random.below(30))
  finish(visit, to)
  visit.story?.wrote('click', visit.nextMs, visit.screen, element)
}

/** A random screen that is not `screen`, among its links. */
const away = (visit: Visit, random: Random) => random.pick(visit.product.screens[visit.screen].links)

function navigate(visit: Visit, random: Random, to: LineWriter, planted: Planted): void {
  const { product, task } = visit
  if (visit.detour === 1) {
    visit.detourFrom = visit.screen
    view(visit, away(visit, random), random, to)
    visit.detour = 2
    visit.nextMs += random.between(1500, 7000)
    return
  }
  if (visit.detour === 2) {
    view(visit, visit.detourFrom, random, to)
    visit.detour = 0
    planted.backtracks++
    pause(visit, random)
    visit.story?.detourEnds(visit.nextMs, visit.screen)
    return
  }
  const before = visit.screen
  let next = before < 0 ? random.pick(product.entries) : random.chance(0.04) ? before : away(visit, random)
  if (task >= 0 && visit.step < product.tasks[task].path.length && random.chance(0.75)) next = product.tasks[task].path[visit.step++]
  view(visit, next, random, to)
  if (next !== before && visit.left > 2 && random.chance(0.05)) {
    visit.detour = 1
    visit.story?.detourBegins(before < 0)
    visit.nextMs += random.between(1500, 7000)
  } else pause(visit, random)
}

function taskEvent(visit: Visit, started: boolean, random: Random, to: LineWriter): void {
  const task = visit.product.tasks[visit.task]
  begin(visit, started ? STARTED : COMPLETED, random, to)
  to.put(task.type)
  if (started) to.put(random.pick(task.labels))
  else to.put(random.chance(0.85) ? SUCCESS : FAILURE)
  finish(visit, to)
  visit.story?.wrote(started ? 'task_started' : 'task_completed', visit.nextMs, visit.screen)
  if (started) visit.story?.taskBegins(visit.task, visit.screen)
}

/** Writes the visit's next event, at its nextMs, and moves nextMs on. True while the visit goes on. */
export function writeEvent(visit: Visit, random: Random, to: LineWriter, planted: Planted): boolean {
  const { product } = visit
  visit.left--
  if (visit.screen < 0 || visit.detour > 0) {
    navigate(visit, random, to, planted)
  } else if (visit.burst > 0) {
    click(visit, visit.burstElement, random, to)
    if (--visit.burst > 0) visit.nextMs += random.between(40, 310)
    else {
      pause(visit, random)
      visit.story?.burstEnds(visit.nextMs)
    }
  } else {
    const choice = random.below(1000)
    if (choice < 210) navigate(visit, random, to, planted)
    else if (choice < 325) {
      const custom = random.pick(product.customs)
      begin(visit, custom.name, random, to)
      finishWith(visit, custom.properties, random, to)
      visit.story?.wrote('custom', visit.nextMs, visit.screen)
      pause(visit, random)
    } else if (choice < 342) {
      begin(visit, ERROR, random, to)
      finishWith(visit, random.pick(product.errors), random, to)
      visit.story?.wrote('error', visit.nextMs, visit.screen)
      pause(visit, random)
    } else if (choice < 440 && visit.task < 0) {
      visit.task = random.below(product.tasks.length)
      visit.step = 0
      planted.tasksStarted++
      taskEvent(visit, true, random, to)
      pause(visit, random)
    } else if (choice < 640 && visit.task >= 0 && visit.step >= product.tasks[visit.task].path.length) {
      // Tasks whose visit ends before this are the abandoned ones.
      planted.tasksCompleted++
      taskEvent(visit, false, random, to)
      visit.task = -1
      pause(visit, random)
      visit.story?.taskEnds(visit.nextMs)
    } else {
      const element = random.below(product.screens[visit.screen].elements.length)
      click(visit, element, random, to)
      if (choice >= 993) {
        planted.rageBursts++
        visit.story?.burstBegins()
        visit.burst = random.between(2, 8)
        visit.burstElement = element
        visit.nextMs += random.between(40, 310)
      } else pause(visit, random)
    }
  }
  const goesOn = visit.left > 0 || visit.burst > 0 || visit.detour > 0
  if (!goesOn) visit.story?.ends()
  return goesOn
}
