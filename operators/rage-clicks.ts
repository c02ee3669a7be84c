// Rage clicks: clicks again and again at one thing. What is enough, a profile says (rage-profiles.ts). Definition: docs/events.md.
import { type Emit, fold, type SessionEvent } from './contract.ts'
import { type IgnoreList, ignoreDefaults, ignoredElements } from './ignored-elements.ts'
import { defaultProfile, type RageProfile, type RageProfileName, rageProfiles } from './rage-profiles.ts'

export interface RageClickOptions {
  profile: 'default' | RageProfileName
  /** Of the default profile: clicks that make a burst, 2 … 16. */
  clicks: number
  /** Of the default profile: the first and last of them are at most this far apart, and so is each click from the one before, ms. */
  withinMs: number
  ignore: IgnoreList
}
export const rageClickDefaults: RageClickOptions = { profile: 'default', clicks: 3, withinMs: 1000, ignore: ignoreDefaults }

/** Emits `rage_click` with the click that makes a burst and as the profile goes on from there. Remembers one chain; forgets with the session. */
export function rageClicks(options: Partial<RageClickOptions> = {}) {
  const { profile, clicks, withinMs, ignore } = { ...rageClickDefaults, ...options }
  return rageClicksBy(profile === 'default' ? defaultProfile(clicks, withinMs) : rageProfiles[profile], ignore)
}

/** The same for a profile of one's own. */
export function rageClicksBy({ name, clicks, gapMs, withinMs, oneElement, place, onFire }: RageProfile, ignore: IgnoreList) {
  const isIgnored = ignoredElements(ignore)
  const measures = place !== undefined
  /** Kept by the profiles that ask for them; the others never touch them. */
  const places = { xs: ['f64', clicks], ys: ['f64', clicks] } as const

  /** Whether the click is of the chain, times apart. */
  const isNear = (burst: Chain, event: SessionEvent, element: number): boolean => {
    if (!measures) return element === burst.element
    if (oneElement && element !== burst.element) return false
    const before = (burst.chain - 1) % clicks
    const dx = Math.abs(event.x - burst.xs.at(before))
    const dy = Math.abs(event.y - burst.ys.at(before))
    // NaN where one of them has no coordinates.
    if (!(dx + dy >= 0)) return element === burst.element && element !== 0
    if (place.measure === 'manhattan') return dx + dy <= place.most
    return place.measure === 'box' || dx * dx + dy * dy <= place.mostSquared
  }

  /** Whether the click and the `clicks − 1` before it fit the box; those without coordinates fit any. */
  const isInBox = (burst: Chain, event: SessionEvent): boolean => {
    if (place?.measure !== 'box') return true
    return isNarrow(burst.xs, burst.chain, clicks, event.x, place.most) && isNarrow(burst.ys, burst.chain, clicks, event.y, place.most)
  }

  const report = (burst: Chain, emit: Emit) =>
    emit.incident({
      kind: 'rage_click',
      profile: name,
      open: burst.open,
      screen: burst.screen,
      element: burst.element,
      count: burst.count,
      firstMs: burst.firstMs,
      lastMs: burst.lastMs,
      first: burst.first,
      last: burst.last,
      of: 'click',
    })

  const end = (burst: Chain, emit: Emit) => {
    burst.open = false
    report(burst, emit)
  }

  return fold({
    name: 'rage-clicks',
    stateVersion: 1,
    reads: measures ? ['screen', 'element', 'x', 'y'] : ['screen', 'element'],
    types: ['click'],
    state: {
      element: 'symbol',
      lastMs: 'time',
      /** Clicks of the chain; click i of it is at i % clicks in the arrays. */
      chain: 'u32',
      ms: ['time', clicks],
      index: ['index', clicks],
      screens: ['symbol', clicks],
      ...(measures ? places : ({} as typeof places)),
      /** The incident, once it has fired (count > 0). */
      count: 'u32',
      firstMs: 'time',
      first: 'index',
      last: 'index',
      screen: 'symbol',
      open: 'bool',
    },
    onEvent(burst, event, emit) {
      const at = event.timeMs
      const element = event.element
      const hasPlace = !oneElement && !Number.isNaN(event.x) && !Number.isNaN(event.y)
      if (burst.chain > 0 && (at - burst.lastMs > gapMs || !isNear(burst, event, element) || (burst.count > 0 && !isInBox(burst, event)))) {
        if (burst.open) end(burst, emit)
        burst.chain = 0
        burst.count = 0
      }
      burst.element = element
      if (element === 0 && !hasPlace) {
        burst.chain = 0
        return
      }
      // Asked of the clicks before it: they are still in the ring.
      const isTight = burst.count > 0 || burst.chain + 1 < clicks || isInBox(burst, event)
      burst.lastMs = at
      const slot = burst.chain % clicks
      burst.ms.set(slot, at)
      burst.index.set(slot, event.index)
      burst.screens.set(slot, event.screen)
      if (measures) {
        burst.xs.set(slot, event.x)
        burst.ys.set(slot, event.y)
      }
      burst.chain++
      if (burst.count > 0) {
        if (onFire === 'once') return
        burst.count++
      } else {
        if (burst.chain < clicks || (onFire === 'once' && burst.chain > clicks)) return
        const oldest = burst.chain % clicks
        if (at - burst.ms.at(oldest) > withinMs || !isTight) return
        if (isIgnored(event.text(element))) {
          if (onFire === 'anew') burst.chain = 0
          return
        }
        burst.count = clicks
        burst.firstMs = burst.ms.at(oldest)
        burst.first = burst.index.at(oldest)
        burst.screen = burst.screens.at(oldest)
      }
      burst.last = event.index
      burst.open = onFire === 'grows' || onFire === 'atEnd'
      if (onFire !== 'atEnd') report(burst, emit)
      if (onFire === 'anew') burst.chain = burst.count = 0
    },
    nextTimerMs: (burst) => (burst.open ? burst.lastMs + gapMs : Number.POSITIVE_INFINITY),
    onTimer: (burst, _nowMs, emit) => end(burst, emit),
    onClose(burst, emit) {
      if (burst.open) end(burst, emit)
    },
  })
}

interface Slots {
  at(index: number): number
}
interface Chain {
  element: number
  lastMs: number
  chain: number
  xs: Slots
  ys: Slots
  screen: number
  count: number
  firstMs: number
  first: number
  last: number
  open: boolean
}

/** Whether the latest `clicks − 1` of a ring and `latest` lie within `most` of one another; NaN lies anywhere. */
function isNarrow(ring: Slots, chain: number, clicks: number, latest: number, most: number): boolean {
  let low = Number.isNaN(latest) ? Number.POSITIVE_INFINITY : latest
  let high = Number.isNaN(latest) ? Number.NEGATIVE_INFINITY : latest
  for (let back = 1; back < clicks; back++) {
    const value = ring.at((chain - back) % clicks)
    if (value < low) low = value
    if (value > high) high = value
  }
  return !(high - low > most)
}
