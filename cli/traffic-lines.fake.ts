// For tests: files of generated traffic, each made once.
import { traffic } from '../services/traffic/traffic.ts'

/** Events of which eleven megabytes are made. */
export const LARGE = 45_000

const made = new Map<number, Buffer>()
/** So many events of three organisations, as JSONL. */
export const lines = (events: number) => {
  const known = made.get(events) ?? Buffer.concat([...traffic({ events, seed: 1, users: 300, orgs: 3 })])
  made.set(events, known)
  return known
}
