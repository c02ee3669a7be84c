// Memory of a process that no file stands behind, from /proc: what it costs a machine, whatever is in its file cache.
import { readFileSync } from 'node:fs'

/** RssAnon, bytes. Errors: where the system has no /proc. */
export function anonymousBytes(pid: number | 'self' = 'self'): number {
  const match = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  if (match === null) throw new Error('this system does not tell RssAnon (/proc/self/status): memory is measured on Linux')
  return Number(match[1]) * 1024
}

/** Looks again and again from now on. `end`: the largest seen; `now`: at the moment. */
export function samplingMemory(everyMs = 20): { now(): number; end(): number } {
  let peak = anonymousBytes()
  const look = () => {
    peak = Math.max(peak, anonymousBytes())
  }
  const timer = setInterval(look, everyMs)
  return {
    now: () => anonymousBytes(),
    end() {
      clearInterval(timer)
      look()
      return peak
    },
  }
}
