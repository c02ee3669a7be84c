// The schema as a flat list: one entry per setting, with its path, its variable's name and its limits.
import { configSchema, type Group, type Leaf, type Limits } from './schema.ts'

export interface Setting extends Limits {
  /** `clickstream.gapMs` */
  readonly path: string
  /** `PACKMILL_CLICKSTREAM_GAP_MS` */
  readonly variable: string
  readonly kind: Leaf<unknown>['kind']
  readonly minimum: number
  readonly maximum: number
  readonly minLength: number
  readonly choices: readonly string[]
}

const ANY = { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER, minLength: 0, choices: [] }

function flatten(node: Leaf<unknown> | Group, path: readonly string[]): Setting[] {
  if ('settings' in node) return Object.entries(node.settings).flatMap(([name, child]) => flatten(child, [...path, name]))
  const variable = `PACKMILL_${path.map((name) => name.replace(/[A-Z]/g, '_$&').toUpperCase()).join('_')}`
  return [{ ...ANY, ...(node as Leaf<string>), path: path.join('.'), variable }]
}

/** In the order of the schema. */
export const settings: readonly Setting[] = flatten(configSchema, [])

/** Of a configuration. */
export const valueAt = (config: object, path: string): unknown =>
  path.split('.').reduce<unknown>((node, name) => (node as Record<string, unknown>)[name], config)
