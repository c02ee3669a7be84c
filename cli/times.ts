// Times of the command line, checked by commander when it reads them.
import { InvalidArgumentError } from 'commander'

const TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?)?$/

/** A day or a time as ms since epoch; one without a zone is UTC, as everywhere. `more`: what else there could have been. */
export function instantOf(text: string, more = ''): number {
  const isZoned = !text.includes('T') || /(Z|[+-]\d{2}:\d{2})$/.test(text)
  const ms = TIME.test(text) && isDay(text.slice(0, 10)) ? Date.parse(isZoned ? text : `${text}Z`) : Number.NaN
  if (Number.isNaN(ms)) throw new InvalidArgumentError(`It must be a day or a time (UTC), as in 2026-03-02 or 2026-03-02T07:00:00Z${more}.`)
  return ms
}

/** 30 February parses, as 2 March. */
function isDay(text: string): boolean {
  const ms = Date.parse(text)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text)
}
