// The rage clicks of one session by docs/events.md, each profile as its row of the table has it: plain loops over arrays, for tests only. Shares no code
// with the operator.
import type { Found } from './session-incidents.ts'
import type { Kept, Piece } from './session-rows.ts'

export interface RageSettings {
  profile: string
  clicks: number
  withinMs: number
  ignore: { kinds: readonly string[]; texts: readonly string[] }
}

interface Rule {
  clicks: number
  /** How long a chain lasts after its latest click, ms. */
  lastsMs: number
  /** Whether a click goes on with the chain of the click before it. */
  goesOn(before: Kept, click: Kept): boolean
  /** Whether these latest clicks of a chain, as many as it takes, are a burst. */
  fires(latest: readonly Kept[]): boolean
  /** Whether these, the latest one new, may be part of a burst that has fired. */
  stays(latest: readonly Kept[]): boolean
  onFire: 'grows' | 'once' | 'anew' | 'end'
}

const sameElement = (a: Kept, b: Kept) => a.element !== '' && a.element === b.element
const pauseMs = (a: Kept, b: Kept) => b.ts - a.ts
const spanMs = (clicks: readonly Kept[]) => clicks[clicks.length - 1].ts - clicks[0].ts
/** What lies between two clicks, or undefined where one has no place. */
const between = (a: Kept, b: Kept): [number, number] | undefined =>
  a.x === undefined || a.y === undefined || b.x === undefined || b.y === undefined ? undefined : [b.x - a.x, b.y - a.y]
const width = (numbers: (number | undefined)[]) => {
  const known = numbers.filter((n) => n !== undefined)
  return known.length === 0 ? 0 : Math.max(...known) - Math.min(...known)
}
const boxOf = (clicks: readonly Kept[]) => Math.max(width(clicks.map((one) => one.x)), width(clicks.map((one) => one.y)))
const always = () => true

function ruleOf({ profile, clicks, withinMs }: RageSettings): Rule {
  switch (profile) {
    case 'datadog':
      return {
        clicks: 3,
        lastsMs: 1000,
        goesOn: (a, b) => sameElement(a, b) && pauseMs(a, b) <= 1000 && Math.hypot(...(between(a, b) ?? [0, 0])) <= 100,
        fires: (latest) => spanMs(latest) <= 1000,
        stays: always,
        onFire: 'grows',
      }
    case 'posthog':
      return {
        clicks: 3,
        lastsMs: 999,
        goesOn(a, b) {
          const way = between(a, b)
          return pauseMs(a, b) < 1000 && (way ? Math.abs(way[0]) + Math.abs(way[1]) < 30 : sameElement(a, b))
        },
        fires: always,
        stays: always,
        onFire: 'once',
      }
    case 'amplitude':
      return {
        clicks: 4,
        lastsMs: 999,
        goesOn: (a, b) => sameElement(a, b) && pauseMs(a, b) < 1000,
        fires: (latest) => spanMs(latest) < 1000 && boxOf(latest) <= 50,
        stays: (latest) => boxOf(latest) <= 50,
        onFire: 'grows',
      }
    case 'mixpanel':
      return {
        clicks: 4,
        lastsMs: 999,
        goesOn(a, b) {
          const way = between(a, b)
          return pauseMs(a, b) < 1000 && (way ? way[0] ** 2 + way[1] ** 2 < 900 : sameElement(a, b))
        },
        fires: always,
        stays: always,
        onFire: 'anew',
      }
    case 'openreplay':
      return {
        clicks: 3,
        lastsMs: 299,
        goesOn: (a, b) => sameElement(a, b) && pauseMs(a, b) < 300,
        fires: always,
        stays: always,
        onFire: 'end',
      }
    case 'sentry':
      return {
        clicks: 5,
        lastsMs: 7000,
        goesOn: (a, b) => sameElement(a, b) && pauseMs(a, b) <= 7000,
        fires: (latest) => spanMs(latest) <= 7000,
        stays: always,
        onFire: 'grows',
      }
    default:
      return {
        clicks,
        lastsMs: withinMs,
        goesOn: (a, b) => sameElement(a, b) && pauseMs(a, b) <= withinMs,
        fires: (latest) => spanMs(latest) <= withinMs,
        stays: always,
        onFire: 'grows',
      }
  }
}

export function rageClicksOf(piece: Piece, watermark: number, settings: RageSettings): Found[] {
  const { clicks: n, lastsMs, goesOn, fires, stays, onFire } = ruleOf(settings)
  const places = settings.profile === 'posthog' || settings.profile === 'mixpanel'
  const lastOfSession = piece.events[piece.events.length - 1].ts
  const found: Found[] = []
  let chain: Kept[] = []
  /** Where the burst begins in the chain, and the element of the click that made it one. */
  let burst: { from: number; element: string } | undefined
  const over = (broken: boolean) => {
    if (burst) {
      const clicks = onFire === 'once' || onFire === 'anew' ? chain.slice(burst.from, burst.from + n) : chain.slice(burst.from)
      const [first, last] = [clicks[0], clicks[clicks.length - 1]]
      const endsAt = last.ts + lastsMs
      const ended = piece.closed || broken || lastOfSession > endsAt || watermark >= endsAt
      const open = onFire === 'grows' && !ended ? 1 : 0
      if (ended || onFire !== 'end')
        found.push({
          kind: 'rage_click',
          profile: settings.profile,
          open,
          screen: first.screen,
          element: burst.element,
          count: clicks.length,
          first,
          last_at: last.ts,
          evidence: clicksBetween(piece, first, last),
        })
    }
    chain = []
    burst = undefined
  }
  for (const click of piece.events) {
    if (click.type !== 'click') continue
    const before = chain.at(-1)
    if (before && !(goesOn(before, click) && (!burst || stays([...chain.slice(1 - n), click])))) over(true)
    if (click.element === '' && !(places && click.x !== undefined && click.y !== undefined)) continue
    chain.push(click)
    const mayFire = !burst && (onFire === 'once' ? chain.length === n : chain.length >= n)
    if (!mayFire || !fires(chain.slice(-n))) continue
    if (!isIgnored(click.element, settings.ignore)) burst = { from: chain.length - n, element: click.element }
    if (onFire === 'anew') over(true)
  }
  over(false)
  return found
}

/** Evidence is every click of the session from the first to the last of the burst. */
const clicksBetween = ({ events }: Piece, first: Kept, last: Kept) =>
  events.slice(events.indexOf(first), events.indexOf(last) + 1).filter((event) => event.type === 'click')

function isIgnored(element: string, { kinds, texts }: RageSettings['ignore']): boolean {
  const part = element.split(/[ >]/).at(-1) ?? ''
  let end = 0
  while (end < part.length && /[A-Za-z0-9_-]/.test(part[end])) end++
  if (kinds.some((kind) => kind.toLowerCase() === part.slice(0, end).toLowerCase())) return true
  const letters = [...element.toLowerCase()]
  const isWord = (character: string | undefined) => character !== undefined && /[\p{L}\p{N}]/u.test(character)
  return texts.some((text) => {
    const wanted = [...text.toLowerCase()]
    return letters.some(
      (_, at) =>
        wanted.every((character, i) => letters[at + i] === character) && !isWord(letters[at - 1]) && !isWord(letters[at + wanted.length]),
    )
  })
}
