// CPU of another process, all its threads, as Linux counts it.
import { readFileSync } from 'node:fs'

/** Of a second, in /proc. */
const TICKS = 100

/** Seconds since it began. */
export function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}
