// A YAML file as a list of given values, each with its line. Owns the file's syntax; which keys and values are right is load.ts's.
import { createRequire } from 'node:module'
import type { Alias, Node } from 'yaml'
import { ConfigError } from './config-error.ts'
import type { Given } from './load.ts'

/** `name` is what errors and origins call the file. Throws ConfigError where the text is no YAML of nested keys. */
export function readConfigFile(text: string, name: string): Given[] {
  // Loaded by who has a file.
  const { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } = createRequire(import.meta.url)('yaml') as typeof import('yaml')
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const place = (offset: number) => `${name}:${lines.linePos(offset).line}`
  const [error] = document.errors
  if (error) throw new ConfigError(`${place(error.pos[0])} is not valid YAML: ${error.message}`)
  const given: Given[] = []
  /** What is being walked: an alias that leads back into it would go round for ever. */
  const above = new Set<unknown>()
  const walk = (node: Node | null, path: readonly string[], offset: number) => {
    const target = isAlias(node) ? node.resolve(document) : node
    if (above.has(target))
      throw new ConfigError(
        `${place(offset)} has the alias *${(node as Alias).source}, which contains itself`,
        'Write out what it stands for.',
      )
    if (isMap(target)) {
      above.add(target)
      for (const { key, value } of target.items) {
        const keyNode = key as Node
        const keyOffset = keyNode.range?.[0] ?? offset
        if (!isScalar(keyNode)) throw new ConfigError(`${place(keyOffset)} has a key that is no name`)
        walk(value as Node | null, [...path, String(keyNode.value)], keyOffset)
      }
      above.delete(target)
    } else if (path.length === 0) {
      // A file of comments alone has no content.
      if (target && !(isScalar(target) && target.value === null)) throw new ConfigError(`${name} must hold settings as key: value`)
    } else {
      given.push({ path: path.join('.'), value: isSeq(target) || isScalar(target) ? target.toJSON() : null, origin: place(offset) })
    }
  }
  walk(document.contents as Node | null, [], 0)
  return given
}
