// The code version that receipts record. Pure.
import { createHash } from 'node:crypto'
import type { ClickstreamSettings } from '../../topologies/clickstream.ts'

/** What must be equal for an epoch to be computed again: the version, and every setting that a definition depends on. */
export function codeVersion(version: string, settings: ClickstreamSettings): string {
  const sorted = JSON.stringify(settings, (_, value) =>
    value !== null && typeof value === 'object' ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value,
  )
  return `packmill ${version}, clickstream ${createHash('sha256').update(sorted).digest('hex').slice(0, 12)}, node ${process.versions.node}`
}
