// The schema as a flat list: one entry per setting, with its path, its variable's name and its limits.
import { configSchema } from './schema.ts'

export interface Setting {
  /** `clickstream.gapMs` */
  readonly path: string
  /** `PACKMILL_CLICKSTREAM_GAP_MS` */
  readonly variable: string
  readonly kind: 'integer' | 'number' | 'boolean' | 'string' | 'choice' | 'list'
  readonly unit?: 'ms' | 'bytes'
  readonly minimum: number
  readonly maximum: number
  /** Of a string or of a list's items, in characters. */
  readonly minLength: number
  readonly choices: readonly string[]
  readonly description: string
  /** The feature that makes it work; absent where this version acts on it. */
  readonly comesWith?: string
  /** Never printed. */
  readonly secret: boolean
  /** A path of the file system: made absolute. */
  readonly isPath: boolean
}

interface Node {
  type?: string
  properties?: Record<string, Node>
  items?: Node
  enum?: string[]
  unit?: 'ms' | 'bytes'
  minimum?: number
  maximum?: number
  minLength?: number
  description?: string
  comesWith?: string
  secret?: boolean
  path?: boolean
}

function kindOf(node: Node): Setting['kind'] {
  if (node.enum) return 'choice'
  if (node.type === 'array') return 'list'
  return node.type as 'integer' | 'number' | 'boolean' | 'string'
}

function flatten(node: Node, path: readonly string[]): Setting[] {
  if (node.properties) return Object.entries(node.properties).flatMap(([name, child]) => flatten(child, [...path, name]))
  return [
    {
      path: path.join('.'),
      variable: `PACKMILL_${path.map((name) => name.replace(/[A-Z]/g, '_$&').toUpperCase()).join('_')}`,
      kind: kindOf(node),
      unit: node.unit,
      minimum: node.minimum ?? Number.MIN_SAFE_INTEGER,
      maximum: node.maximum ?? Number.MAX_SAFE_INTEGER,
      minLength: node.items?.minLength ?? node.minLength ?? 0,
      choices: node.enum ?? [],
      description: node.description ?? '',
      comesWith: node.comesWith,
      secret: node.secret === true,
      isPath: node.path === true,
    },
  ]
}

/** In the order of the schema. */
export const settings: readonly Setting[] = flatten(configSchema as Node, [])
