// The named rage profiles, each against a table of cases taken from its definition (docs/events.md), both sides of each bound: the operator
// and the evaluator must say what the table says. Then random clicks at the bounds, and mistakes in each profile.
import { describe, expect, test } from 'vitest'
import type { WireEvent } from '../../model/event.ts'
import { contextSwitches } from '../../operators/context-switches.ts'
import type { Fold } from '../../operators/contract.ts'
import { ignoreDefaults, ignoreNothing } from '../../operators/ignored-elements.ts'
import { type RageClickOptions, rageClicks, rageClicksBy } from '../../operators/rage-clicks.ts'
import { type RageProfile, type RageProfileName, rageProfiles } from '../../operators/rage-profiles.ts'
import { scores } from '../../operators/scores.ts'
import { sessionMetrics } from '../../operators/session-metrics.ts'
import { tasks } from '../../operators/tasks.ts'
import { Random } from '../../services/traffic/random.ts'
import { compareIncidents } from './compare.ts'
import { evaluate, type LogRecord } from './evaluate.ts'
import { rowsByFolds } from './fold-runner.ts'

/** A click: ms, x, y, element ('b' where not given). x and y null: without coordinates. */
type Click = [ms: number, x?: number | null, y?: number | null, element?: string]
/** Of each burst: ms of its first and of its last click, their count; 'open' behind it while it may grow. */
type Burst = [firstMs: number, lastMs: number, count: number, open?: 'open']
type Case = [what: string, clicks: Click[], bursts: Burst[]]

const NAMES = Object.keys(rageProfiles) as RageProfileName[]
const recordsOf = (clicks: readonly Click[]): LogRecord[] =>
  clicks.map(([ts, x = 0, y = 0, element = 'b'], offset) => {
    const place = x === null || y === null ? {} : { x, y }
    const event: WireEvent = {
      orgId: 'o',
      productId: 'p',
      userId: 'u',
      eventId: `e${offset}`,
      type: 'click',
      ts,
      screen: '/s',
      element,
      ...place,
    }
    return { partition: 0, offset, event }
  })
const sessionFold = tasks(scores(contextSwitches(sessionMetrics())), { withinMs: 900_000, gapMs: 1_800_000 })
const byFold = (fold: unknown) => rowsByFolds({ folds: [fold as Fold], session: sessionFold })

function burstsOf(clicks: readonly Click[], options: Partial<RageClickOptions>, of: 'operator' | 'evaluator', closeAll: boolean): Burst[] {
  const rage = { profile: 'default' as const, clicks: 3, withinMs: 1000, ignore: ignoreNothing, ...options }
  const settings = { rage, allowedDisorderMs: 0, closeAll }
  const { incidents } = evaluate(recordsOf(clicks), settings, of === 'operator' ? byFold(rageClicks(rage)) : undefined)
  return [...incidents.values()]
    .sort((a, b) => a.first_at - b.first_at)
    .map(({ first_at, last_at, count, open }): Burst => (open ? [first_at, last_at, count, 'open'] : [first_at, last_at, count]))
}

const every = (ms: number, count: number, from = 0): Click[] => Array.from({ length: count }, (_, i) => [from + i * ms])
const DRIFT: Click[] = [
  [0, 0, 0],
  [100, 20, 0],
  [200, 40, 0],
  [300, 60, 0],
]

const cases: Record<'default' | RageProfileName, Case[]> = {
  default: [
    ['three within 1,000 ms, the bound included', every(500, 3), [[0, 1000, 3, 'open']]],
    ['not in 1,001', [[0], [500], [1001]], []],
    ['it grows while the chain goes on', [[0], [1], [2], [1002], [2002]], [[0, 2002, 5, 'open']]],
    [
      'places do not count',
      [
        [0, 0, 0],
        [1, 900, 900],
        [2, 0, 0],
      ],
      [[0, 2, 3, 'open']],
    ],
  ],
  datadog: [
    ['any three within 1,000 ms, the bound included', [[0], [500], [1000]], [[0, 1000, 3, 'open']]],
    ['not in 1,001 ms', [[0], [500], [1001]], []],
    ['any three of a longer chain', [[0], [900], [1300], [1500]], [[900, 1500, 3, 'open']]],
    ['two clicks are none', [[0], [1]], []],
    [
      '100 px from one to the next',
      [
        [0, 0, 0],
        [1, 60, 80],
        [2, 120, 160],
      ],
      [[0, 2, 3, 'open']],
    ],
    [
      'not 101',
      [
        [0, 0, 0],
        [1, 0, 101],
        [2, 0, 101],
      ],
      [],
    ],
    [
      'it is the straight line: 71 px to the side and 71 down are too far',
      [
        [0, 0, 0],
        [1, 71, 71],
        [2, 71, 71],
      ],
      [],
    ],
    ['another target breaks the chain', [[0], [1], [2, 0, 0, 'c'], [3]], []],
    [
      'no coordinates: target and time must do',
      [
        [0, null, null],
        [1, null, null],
        [2, 5, 5],
      ],
      [[0, 2, 3, 'open']],
    ],
    ['it grows', [[0], [1], [2], [1002]], [[0, 1002, 4, 'open']]],
  ],
  posthog: [
    ['three, each less than 1,000 ms after the one before', [[0], [999], [1998]], [[0, 1998, 3]]],
    ['1,000 ms are too long', [[0], [1000], [1001]], []],
    [
      'less than 30 px to the side and down together',
      [
        [0, 0, 0],
        [1, 15, 14],
        [2, 30, 28],
      ],
      [[0, 2, 3]],
    ],
    [
      '30 are too far',
      [
        [0, 0, 0],
        [1, 15, 15],
        [2, 15, 15],
      ],
      [],
    ],
    [
      'to the one before, not to the first',
      [
        [0, 0, 0],
        [1, 29, 0],
        [2, 58, 0],
      ],
      [[0, 2, 3]],
    ],
    ['fires once, when the chain is three long', every(100, 9), [[0, 200, 3]]],
    [
      'another chain fires again',
      [...every(100, 4), ...every(100, 3, 1300)],
      [
        [0, 200, 3],
        [1300, 1500, 3],
      ],
    ],
    [
      'the element is not used',
      [
        [0, 0, 0, 'a'],
        [1, 1, 1, 'b'],
        [2, 2, 2, ''],
      ],
      [[0, 2, 3]],
    ],
    [
      'no coordinates: element and time must do',
      [
        [0, null, null],
        [1, null, null],
        [2, null, null],
      ],
      [[0, 2, 3]],
    ],
    [
      'no coordinates: another element breaks the chain',
      [
        [0, null, null],
        [1, null, null, 'c'],
        [2, null, null],
      ],
      [],
    ],
    ['no coordinates and no element break it', [[0], [1], [2, null, null, ''], [3]], []],
  ],
  amplitude: [
    ['the fourth less than 1,000 ms after the first', [[0], [1], [2], [999]], [[0, 999, 4, 'open']]],
    ['1,000 ms are too long', [[0], [1], [2], [1000]], []],
    ['any four in a row', [[0], [500], [900], [1200], [1300]], [[500, 1300, 4, 'open']]],
    ['three are not enough', every(1, 3), []],
    [
      'a box of 50 px',
      [
        [0, 0, 0],
        [1, 50, 50],
        [2, 0, 50],
        [3, 50, 0],
      ],
      [[0, 3, 4, 'open']],
    ],
    [
      'not of 51',
      [
        [0, 0, 0],
        [1, 51, 0],
        [2, 0, 0],
        [3, 0, 0],
      ],
      [],
    ],
    [
      'nor 51 high',
      [
        [0, 0, 0],
        [1, 0, 51],
        [2, 0, 0],
        [3, 0, 0],
      ],
      [],
    ],
    ['the box is around the four', DRIFT, []],
    ['any four', [...DRIFT, [400, 70, 0]], [[100, 400, 4, 'open']]],
    ['what leaves the box ends the burst', [...every(100, 4), [400, 51, 0], [500, 51, 0]], [[0, 300, 4]]],
    ['another element breaks the chain', [[0], [1], [2], [3, 0, 0, 'c'], [4]], []],
    [
      'no coordinates: element and time must do',
      [
        [0, null, null],
        [1, 0, 0],
        [2, 50, 0],
        [3, null, null],
      ],
      [[0, 3, 4, 'open']],
    ],
  ],
  mixpanel: [
    ['four, each less than 1,000 ms after the one before', [[0], [999], [1998], [2997]], [[0, 2997, 4]]],
    ['1,000 ms are too long', [[0], [1000], [1001], [1002]], []],
    [
      'the straight line is less than 30 px',
      [
        [0, 0, 0],
        [1, 17, 24],
        [2, 0, 0],
        [3, 29, 0],
      ],
      [[0, 3, 4]],
    ],
    [
      '30 are too far',
      [
        [0, 0, 0],
        [1, 18, 24],
        [2, 18, 24],
        [3, 18, 24],
      ],
      [],
    ],
    [
      'it begins anew when it has fired',
      every(100, 9),
      [
        [0, 300, 4],
        [400, 700, 4],
      ],
    ],
    ['the element is not used', [[0, 0, 0, 'a'], [1], [2, 0, 0, ''], [3]], [[0, 3, 4]]],
    [
      'no coordinates: element and time must do',
      [
        [0, null, null],
        [1, null, null],
        [2, null, null],
        [3, 9, 9],
      ],
      [[0, 3, 4]],
    ],
  ],
  openreplay: [
    ['three, each less than 300 ms after the one before, at the end of the chain', [[0], [299], [598], [2000]], [[0, 598, 3]]],
    ['300 ms are too long', [[0], [300], [301], [2000]], []],
    ['not before the chain has ended', [[0], [299], [598]], []],
    ['one of all its clicks', [...every(100, 7), [5000]], [[0, 600, 7]]],
    ['another label ends it', [...every(100, 3), [250, 0, 0, 'c'], [5000]], [[0, 200, 3]]],
    ['two are none', [[0], [100], [5000]], []],
    ['places do not count', [[0, 0, 0], [1, 900, 0], [2, 0, 900], [5000]], [[0, 2, 3]]],
  ],
  sentry: [
    ['five within 7 s, the bound included', every(1750, 5), [[0, 7000, 5, 'open']]],
    ['not in 7,001 ms', [[0], [1], [2], [3], [7001]], []],
    ['four are not enough', every(1, 4), []],
    ['any five in a row', [[0], [3000], [4000], [5000], [7500], [9000]], [[3000, 9000, 5, 'open']]],
    ['another node breaks the chain', [[0], [1], [2], [3, 0, 0, 'c'], [4], [5]], []],
  ],
}

describe.each(Object.entries(cases))('%s', (name, list) => {
  const options = { profile: name as RageProfileName }
  test.each(list)('%s', (_, clicks, bursts) => {
    // Time passes by the clicks alone: by these the operator has to be certain, and the evaluator agrees.
    expect(burstsOf(clicks, options, 'operator', false)).toEqual(bursts)
    expect(burstsOf(clicks, options, 'evaluator', false)).toEqual(bursts)
  })

  test('the end of the session ends a burst, and a chain that is waiting for its end', () => {
    const [first] = list.find(([, , bursts]) => bursts.length > 0)!.slice(1) as [Click[]]
    for (const who of ['operator', 'evaluator'] as const)
      expect(burstsOf(first, options, who, true).every((burst) => burst.length === 3)).toBe(true)
    if (name === 'openreplay') expect(burstsOf(every(100, 3), options, 'operator', true)).toEqual([[0, 200, 3]])
  })
})

const MS = [0, 1, 100, 249, 250, 298, 299, 300, 301, 333, 334, 499, 500, 501, 998, 999, 1000, 1001, 1749, 1750, 1751, 6999, 7000, 7001]
const PX = [0, 0, 0, 1, 13, 14, 15, 17, 18, 24, 25, 27, 29, 30, 49, 50, 51, 60, 71, 80, 99, 100, 101, null]
const ELEMENTS = ['b', 'b', 'b', 'b', 'b', 'c', '', 'button.next']
/** Clicks at the bounds of a profile: pauses mostly of one size, so that chains get long. */
function clicksOf(seed: number): Click[] {
  const random = new Random(seed, 11)
  const usual = [random.pick(MS), random.pick(MS)]
  const far = random.pick([0.1, 0.3, 0.7])
  let ms = 0
  return Array.from({ length: 60 }, (): Click => {
    ms += random.chance(0.8) ? random.pick(usual) : random.pick(MS)
    const [x, y] = random.chance(far) ? [random.pick(PX), random.pick(PX)] : [0, 0]
    return [ms, x, y, random.chance(0.9) ? 'b' : random.pick(ELEMENTS)]
  })
}
const streams = Array.from({ length: 300 }, (_, seed) => recordsOf(clicksOf(seed + 1)))
const right = new Map<RageProfileName, ReturnType<typeof evaluate>[]>()
const settingsOf = (profile: RageProfileName) => {
  const rage = { profile, clicks: 3, withinMs: 1000, ignore: ignoreDefaults }
  return { rage, allowedDisorderMs: 0 }
}
const answersOf = (profile: RageProfileName) => {
  if (!right.has(profile))
    right.set(
      profile,
      streams.map((stream) => evaluate(stream, settingsOf(profile))),
    )
  return right.get(profile)!
}
const differs = (profile: RageProfileName, seed: number, wrong: RageProfile) => {
  const { incidents } = evaluate(streams[seed], settingsOf(profile), byFold(rageClicksBy(wrong, ignoreDefaults)))
  return compareIncidents(
    [...incidents.values()].map((row) => ({ ...row, version: 1, deleted: 0 })),
    answersOf(profile)[seed].incidents,
  )
}

test.each(NAMES)('%s agrees with the evaluator on 300 streams of clicks at the bounds', (name) => {
  for (const seed of streams.keys()) expect(differs(name, seed, rageProfiles[name]), `stream of seed ${seed + 1}`).toEqual([])
  const found = answersOf(name).reduce((sum, { incidents }) => sum + incidents.size, 0)
  expect(found).toBeGreaterThan(50)
})

/** Each profile with one of its numbers or choices wrong. */
const mistakes = NAMES.flatMap((name) => {
  const it: RageProfile = rageProfiles[name]
  const wrong: [string, Partial<RageProfile>][] = [
    ['one click more', { clicks: it.clicks + 1 }],
    ['one click less', { clicks: it.clicks - 1 }],
    ['one ms more between clicks', { gapMs: it.gapMs + 1 }],
    ['one ms less between clicks', { gapMs: it.gapMs - 1 }],
  ]
  if (it.withinMs < Number.POSITIVE_INFINITY) {
    wrong.push(['one ms more for all', { withinMs: it.withinMs + 1 }], ['one ms less for all', { withinMs: it.withinMs - 1 }])
    wrong.push(['no time for all', { withinMs: Number.POSITIVE_INFINITY }])
  }
  const { place } = it
  if (place) {
    const by = (px: number) =>
      place.measure === 'euclid' ? { ...place, mostSquared: place.mostSquared + px } : { ...place, most: place.most + px }
    // No two whole numbers have squares that are 899 together.
    const less = place.measure === 'euclid' ? -2 : -1
    wrong.push(
      ['one more for the place', { place: by(1) }],
      ['less for the place', { place: by(less) }],
      ['no place', { place: undefined }],
    )
    wrong.push(['the other way with elements', { oneElement: !it.oneElement }])
    if (place.measure !== 'manhattan') wrong.push(['the sum for the distance', { place: { measure: 'manhattan', most: 29 } }])
    if (place.measure !== 'box') wrong.push(['the box for the distance', { place: { measure: 'box', most: 50 } }])
  }
  for (const onFire of ['grows', 'once', 'anew', 'atEnd'] as const)
    if (onFire !== it.onFire) wrong.push([`${onFire}, not ${it.onFire}`, { onFire }])
  return wrong.map(([what, change]): [string, RageProfileName, RageProfile] => [`${name}: ${what}`, name, { ...it, ...change }])
})
test.each(mistakes)('a mistake is caught: %s', (_, name, wrong) => {
  expect(streams.findIndex((_, seed) => differs(name, seed, wrong).length > 0)).toBeGreaterThanOrEqual(0)
})
