// What is put into one visit on purpose, told thing by thing: the ground truth that the product's findings are compared with.
//
// Story owns what a teller must remember of a visit. It changes nothing in it, and finds nothing by the product's definitions: it is told
// what the visit does. Where another event of the user has the same ms as the edge of a thing, their order is open: such a thing is not told, or said to be blurred.
import type { EventType } from '../../model/event.ts'
import { utf8Text } from '../../model/utf8.ts'
import type { Product } from './world.ts'

/** A line of `packmill traffic --truth`. Times are ms since epoch. */
export type PlantedThing = { orgId: string; productId: string; user: string } & Told
type Told =
  /** Clicks on one element, at most 310 ms from one to the next. */
  | { what: 'rage_click'; firstMs: number; lastMs: number; clicks: number; screen: string; element: string }
  /** There and back, on purpose, within 14 s. */
  | { what: 'backtrack'; firstMs: number; lastMs: number; screen: string }
  /** completedMs is absent where the visit ended before; `blurred`: another event has the ms of its start or of its end. */
  | { what: 'task'; taskType: string; firstMs: number; completedMs?: number; screen: string; blurred?: true }
  /** A click after which the person did nothing for more than 2,500 ms, in no other event's ms. */
  | { what: 'dead_click'; firstMs: number; screen: string; element: string }
  /** A whole visit; contextSwitches is absent where events of two areas share a ms. */
  | { what: 'visit'; firstMs: number; lastMs: number; events: number; errors: number; contextSwitches?: number }

const DEAD_MS = 2500
/** The value of `,"name":"value"`. */
const valueIn = (fragment: Uint8Array): string => Object.values(JSON.parse(`{${utf8Text(fragment).slice(1)}}`) as object)[0] as string

export class Story {
  private readonly product: Product
  private readonly tell: (told: Told) => void
  private firstMs = -1
  private lastMs = -1
  private isTied = false
  private events = 0
  private errors = 0
  private area = ''
  private switches = 0
  private isBlurred = false
  private click: { screen: string; element: string } | undefined
  private burst: { firstMs: number; clicks: number; isSound: boolean } | undefined
  private detour: { firstMs: number; isSound: boolean } | undefined
  private task: { taskType: string; firstMs: number; screen: string; blurred?: true } | undefined

  constructor(product: Product, tell: (told: Told) => void) {
    this.product = product
    this.tell = tell
  }

  /** An event was written. `element` is a click's. */
  wrote(type: EventType, ms: number, screen: number, element = -1): void {
    this.endClick(ms)
    const at = this.product.screens[screen]
    const area = valueIn(at.context)
    this.isTied = ms === this.lastMs
    if (area !== this.area && this.events > 0) {
      this.switches++
      if (this.isTied) this.isBlurred = true
    }
    this.area = area
    if (this.events++ === 0) this.firstMs = ms
    this.lastMs = ms
    if (type === 'error') this.errors++
    if (type === 'click') {
      this.click = { screen: valueIn(at.screen), element: valueIn(at.elements[element]) }
      if (this.burst) this.burst.clicks++
    } else this.click = undefined
  }

  /** The click just written begins a burst. */
  burstBegins(): void {
    this.burst = { firstMs: this.lastMs, clicks: 1, isSound: !this.isTied }
  }

  burstEnds(nextMs: number): void {
    const { burst, lastMs } = this
    if (burst?.isSound && nextMs > lastMs)
      this.tell({ what: 'rage_click', firstMs: burst.firstMs, lastMs, clicks: burst.clicks, ...this.click! })
    this.burst = undefined
  }

  /** The view just written is the one that the person will come back to. */
  detourBegins(isFirstView: boolean): void {
    this.detour = { firstMs: this.lastMs, isSound: !this.isTied && !isFirstView }
  }

  detourEnds(nextMs: number, screen: number): void {
    const { detour, lastMs } = this
    if (detour?.isSound && nextMs > lastMs)
      this.tell({ what: 'backtrack', firstMs: detour.firstMs, lastMs, screen: valueIn(this.product.screens[screen].screen) })
    this.detour = undefined
  }

  taskBegins(task: number, screen: number): void {
    const taskType = valueIn(this.product.tasks[task].type)
    const place = { firstMs: this.lastMs, screen: valueIn(this.product.screens[screen].screen) }
    this.task = { taskType, ...place, ...(this.isTied ? { blurred: true } : {}) }
  }

  taskEnds(nextMs: number): void {
    const isTied = this.isTied || nextMs === this.lastMs
    this.tell({ what: 'task', ...this.task!, completedMs: this.lastMs, ...(isTied ? { blurred: true } : {}) })
    this.task = undefined
  }

  /** The visit is over; the person is away for a minute or more. */
  ends(): void {
    const { firstMs, lastMs, events, errors } = this
    this.endClick(Number.POSITIVE_INFINITY)
    if (this.task) this.tell({ what: 'task', ...this.task })
    this.tell({ what: 'visit', firstMs, lastMs, events, errors, ...(this.isBlurred ? {} : { contextSwitches: this.switches }) })
  }

  private endClick(nextMs: number): void {
    if (this.click && !this.isTied && nextMs > this.lastMs + DEAD_MS) this.tell({ what: 'dead_click', firstMs: this.lastMs, ...this.click })
  }
}
