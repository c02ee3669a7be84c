// The definitions that a folder was begun with, beside its output: whoever goes on in it says the same. Pure.
import type { ClickstreamSettings } from '../../topologies/clickstream.ts'

/** By path: clickstream.gapMs … */
export type Definitions = Record<string, unknown>

export const definitionsOf = (settings: ClickstreamSettings): Definitions => byPath('clickstream', settings)

function byPath(path: string, value: object): Definitions {
  const entries = Object.entries(value).map(([name, one]: [string, unknown]): Definitions => {
    const isGroup = typeof one === 'object' && one !== null && !Array.isArray(one)
    return isGroup ? byPath(`${path}.${name}`, one) : { [`${path}.${name}`]: one }
  })
  return Object.assign({}, ...entries) as Definitions
}

/** What both know and have otherwise, in words; undefined: nothing. What an earlier version has begun says nothing, or nothing of a setting that came since. */
export function otherDefinitions(was: Definitions = {}, now: Definitions): string | undefined {
  const text = JSON.stringify
  const others = Object.keys(now).filter((path) => path in was && text(was[path]) !== text(now[path]))
  return others.length === 0 ? undefined : others.map((path) => `${path} ${text(was[path])} (now ${text(now[path])})`).join(', ')
}
