// The version in package.json, which is one folder up from the sources and two from the compiled program.
import { existsSync, readFileSync } from 'node:fs'

export function version(): string {
  const path = ['../package.json', '../../package.json'].map((above) => new URL(above, import.meta.url)).find((url) => existsSync(url))
  return path ? (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version : 'unknown'
}
