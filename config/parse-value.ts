// A setting's value as people write it: 1800000, '30m', '128MB', 'true', 'a, b'. Owns what is accepted and how the refusal reads.
import type { Setting } from './settings.ts'

export type SettingValue = number | boolean | string | readonly string[]
export type Parsed = { readonly value: SettingValue } | { readonly allowed: string }

const UNITS: Record<'ms' | 'bytes', Readonly<Record<string, number>>> = {
  ms: { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 },
  // Powers of 1024 under either name: what sizes of files and memory are counted in here.
  bytes: { b: 1, kb: 1 << 10, mb: 1 << 20, gb: 1 << 30, kib: 1 << 10, mib: 1 << 20, gib: 1 << 30 },
}
const EXAMPLES = { ms: '250ms, 20s, 30m, 12h or 7d', bytes: '64KB, 128MB or 2GB' }

/** Reads what a file, a variable or an option gave. Never throws: a value that is not allowed comes back as what would be. */
export function parseValue(setting: Setting, given: unknown): Parsed {
  const allowed = { allowed: describeAllowed(setting) }
  switch (setting.kind) {
    case 'integer': {
      const value = toNumber(setting.unit, given)
      return Number.isSafeInteger(value) && value >= setting.minimum && value <= setting.maximum ? { value } : allowed
    }
    case 'number': {
      const value = typeof given === 'string' && /^\s*\d+(\.\d+)?\s*$/.test(given) ? Number(given) : given
      return typeof value === 'number' && value >= setting.minimum && value <= setting.maximum ? { value } : allowed
    }
    case 'boolean':
      if (given === true || given === 'true') return { value: true }
      return given === false || given === 'false' ? { value: false } : allowed
    case 'choice':
      return typeof given === 'string' && setting.choices.includes(given) ? { value: given } : allowed
    case 'string':
      return typeof given === 'string' && given.length >= setting.minLength ? { value: given } : allowed
    case 'list': {
      const items = given === '' ? [] : typeof given === 'string' ? given.split(',').map((item) => item.trim()) : given
      const valid = Array.isArray(items) && items.every((item) => typeof item === 'string' && item.length >= setting.minLength)
      return valid ? { value: items } : allowed
    }
  }
}

function toNumber(unit: Setting['unit'], given: unknown): number {
  if (typeof given === 'number') return given
  if (typeof given !== 'string') return Number.NaN
  const match = /^(-?\d[\d_]*(?:\.\d+)?)\s*([a-z]*)$/i.exec(given.trim())
  if (!match) return Number.NaN
  const factor = match[2] === '' ? 1 : unit && UNITS[unit][match[2]!.toLowerCase()]
  return factor ? Number(match[1]!.replaceAll('_', '')) * factor : Number.NaN
}

/** What a setting accepts, as the end of a sentence: `a whole number from 2 to 16`. */
export function describeAllowed(setting: Setting): string {
  switch (setting.kind) {
    case 'integer': {
      const range = `from ${formatNumber(setting, setting.minimum)} to ${formatNumber(setting, setting.maximum)}`
      return setting.unit
        ? `a whole number of ${setting.unit} ${range}, also written as ${EXAMPLES[setting.unit]}`
        : `a whole number ${range}`
    }
    case 'number':
      return `a number from ${setting.minimum} to ${setting.maximum}, also with decimals`
    case 'boolean':
      return 'true or false'
    case 'choice':
      return `one of ${setting.choices.join(', ')}`
    case 'string':
      return setting.minLength > 0 ? 'a text that is not empty' : 'a text'
    case 'list':
      return 'texts, as a list or separated by commas'
  }
}

/** 1800000 → `1800000 (30m)`, in the largest unit that divides it. */
export function formatNumber(setting: Setting, value: number): string {
  if (!setting.unit || value === 0) return String(value)
  const units = Object.entries(UNITS[setting.unit]).filter(([name]) => !name.endsWith('ib'))
  const [name, factor] = units.findLast(([, size]) => value % size === 0)!
  if (factor === 1) return String(value)
  return `${value} (${value / factor}${setting.unit === 'bytes' ? name.toUpperCase() : name})`
}
