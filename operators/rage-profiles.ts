// The named definitions of a rage click, each as its source has it. Data for rage-clicks.ts; the table is in docs/events.md.
//
// All bounds are inclusive here: times and coordinates are whole numbers, so "less than 1,000 ms" is "at most 999".

/** How far apart clicks may be, px; asked only of clicks that have both coordinates. */
export type Place =
  /** Of each click to the one before: |dx| + |dy|, or the straight line (its square: that is a whole number). */
  | { readonly measure: 'manhattan'; readonly most: number }
  | { readonly measure: 'euclid'; readonly mostSquared: number }
  /** Of the latest `clicks` clicks: the width and the height of the box around them. */
  | { readonly measure: 'box'; readonly most: number }

export interface RageProfile {
  readonly name: string
  /** Clicks that make a burst. */
  readonly clicks: number
  /** From each click of a chain to the next, ms. */
  readonly gapMs: number
  /** From the first to the last of `clicks` clicks, ms; Infinity where only gaps count. */
  readonly withinMs: number
  /** Whether a chain is of one element. If not, its place must do, and the element only of clicks without coordinates. */
  readonly oneElement: boolean
  readonly place?: Place
  /**
   * grows: each further click of the chain counts; once: a chain of exactly `clicks` clicks, further ones change nothing;
   * anew: the chain ends when it fires, the next click begins another; atEnd: one incident, when the chain has ended.
   */
  readonly onFire: 'grows' | 'once' | 'anew' | 'atEnd'
}

const profile = (name: string, clicks: number, gapMs: number, rest: Partial<RageProfile> = {}): RageProfile => ({
  name,
  clicks,
  gapMs,
  withinMs: Number.POSITIVE_INFINITY,
  oneElement: true,
  onFire: 'grows',
  ...rest,
})

export const rageProfiles = {
  datadog: profile('datadog', 3, 1000, { withinMs: 1000, place: { measure: 'euclid', mostSquared: 10_000 } }),
  posthog: profile('posthog', 3, 999, { oneElement: false, place: { measure: 'manhattan', most: 29 }, onFire: 'once' }),
  amplitude: profile('amplitude', 4, 999, { withinMs: 999, place: { measure: 'box', most: 50 } }),
  mixpanel: profile('mixpanel', 4, 999, { oneElement: false, place: { measure: 'euclid', mostSquared: 899 }, onFire: 'anew' }),
  openreplay: profile('openreplay', 3, 299, { onFire: 'atEnd' }),
  sentry: profile('sentry', 5, 7000, { withinMs: 7000 }),
} as const satisfies Record<string, RageProfile>
export type RageProfileName = keyof typeof rageProfiles

/** The default profile, with its own numbers. */
export const defaultProfile = (clicks: number, withinMs: number): RageProfile => profile('default', clicks, withinMs, { withinMs })
