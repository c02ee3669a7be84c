// Suites that need something beside the checkout (real data, a server) ask here. Owns: what happens when it is missing.
//   const path = realDataPath('human-tasks.jsonl.gz')
//   describe.runIf(needs('the real clicks', path, 'put … there'))('…', () => { … })
// Missing: the name and the cure are printed and the suite is skipped. With PACKMILL_REQUIRE_ALL=1 a missing thing fails the run.
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Where a file of the data folder beside the checkout is, whether it exists or not. */
export function realDataPath(name: string): string {
  return join(import.meta.dirname, '..', '..', 'shared', 'data', name)
}

/**
 * True when `what` is there: a path that exists, or a boolean for anything else that was probed.
 * Otherwise says so by name with what brings it; throws under PACKMILL_REQUIRE_ALL=1.
 */
export function needs(name: string, what: string | boolean, cure: string): boolean {
  if (typeof what === 'string' ? existsSync(what) : what) return true
  const message = `needs ${name}${typeof what === 'string' ? ` at ${what}` : ''}, which is missing. To have it: ${cure}`
  if (process.env.PACKMILL_REQUIRE_ALL === '1') throw new Error(`PACKMILL_REQUIRE_ALL=1: ${message}`)
  console.warn(`skipped: ${message}`)
  return false
}
