// Lines of a web server's log in the combined format become events: one line, one screen view. Owns what a line says and what is left out of it;
// the door decides whether the event is one.
//   address ident user [17/May/2015:10:05:03 +0000] "GET /path?query HTTP/1.1" 200 203023 "referrer" "agent"
// 1. screen = the path without query and fragment, as it was sent; ts = the time in brackets; anonymousId = 128-bit hash of address and agent, so
//    that neither is stored; eventId = 128-bit hash of the line, so that a line counts once. Method, status, bytes, referrer are properties.
//    A virtual host in front of the address (host:port, then an IP address: Apache's vhost_combined) is passed over.
// 2. Requests for assets and by robots are events like others, marked in their properties and counted; who asks for it leaves them out.
import type { EventError } from '../../model/batch.ts'
import type { RejectedLine } from '../../model/door.ts'
import { HASH_SLACK, h128, hash128 } from '../../model/hash.ts'
import { SLACK } from '../../model/scan-plain.ts'

export const SKIPPABLE = ['assets', 'bots'] as const
export type Skippable = (typeof SKIPPABLE)[number]

export interface WebLogOptions {
  /** The productId of all lines. */
  product: string
  skip: readonly Skippable[]
}

/** Whose lines are where nobody says it. */
export const WEB_ORG = 'web'
export const WEB_PRODUCT = 'site'

/** Requests seen: for assets, by robots (one may be both), and how many lines were left out for it. */
export interface WebLogCounts {
  assets: number
  bots: number
  filtered: number
}

export const noWebLogCounts = (): WebLogCounts => ({ assets: 0, bots: 0, filtered: 0 })

const COMBINED =
  /^(?:\S+:\d+ (?=(?:\d+\.\d+\.\d+\.\d+|[\da-fA-F]*:[\da-fA-F:.]+) ))?(\S+) \S+ [^[]*\[([^\]]*)\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"(?:\s.*)?$/
const TIME = /^(\d{2})\/(\w{3})\/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})$/
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const ASSET = /\.(?:avif|bmp|css|eot|gif|ico|jpe?g|js|json|map|mjs|mp3|mp4|ogg|otf|png|svg|ttf|wasm|webm|webp|woff2?)$/i
const BOT =
  /bot\b|bot[/;_-]|crawl|spider|slurp|archiver|facebookexternalhit|feed(?:burner|fetcher|ly|parser)|monitor|^(?:curl|wget|python|java|ruby|perl|go-http-client|okhttp|libwww|apache-httpclient)\b|^-?$/i
/** Lines that are looked at to tell the format: a log may begin with a damaged one. */
const LOOK_LINES = 20
export const LOOK_BYTES = 256 << 10
const NEWLINE = 10

export type LineFormat = 'jsonl' | 'combined'

/** What a stream holds, by its first lines; JSON lines, whose rejects say what is wrong, where nothing speaks for another format. */
export function formatOf(head: Uint8Array): LineFormat {
  const lines = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, LOOK_BYTES))
    .toString('latin1')
    .split('\n')
    .slice(0, LOOK_LINES)
  for (const line of lines) {
    const text = line.trim()
    if (text.startsWith('{')) return 'jsonl'
    if (COMBINED.test(text)) return 'combined'
  }
  return 'jsonl'
}

export interface ConvertedLines {
  /** A line of JSON for each line, or an empty one; readable SLACK bytes behind its end. */
  bytes: Uint8Array
  length: number
  /** Where each line lay: position and length of line i at 2i. */
  places: number[]
  rejected: RejectedLine[]
}

/** Converts bytes[pos … pos + length), whole lines; counts into `counts`. */
export function convertWebLog(
  bytes: Uint8Array,
  pos: number,
  length: number,
  options: WebLogOptions,
  counts: WebLogCounts,
): ConvertedLines {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const lines: string[] = []
  const places: number[] = []
  const rejected: RejectedLine[] = []
  for (let at = pos; at < pos + length; ) {
    let end = source.indexOf(NEWLINE, at)
    if (end < 0 || end > pos + length) end = pos + length
    const next = end + 1
    if (source[end - 1] === 13 && end > at) end--
    places.push(at, end - at)
    // Latin-1: each byte stays what it is, and the door judges whether they are UTF-8.
    const event = eventOf(source.toString('latin1', at, end), bytes, at, end - at, options, counts)
    if (typeof event === 'string') lines.push(event)
    else {
      lines.push('')
      rejected.push({ ...event, line: lines.length - 1, pos: at, length: end - at })
    }
    at = next
  }
  const text = lines.length > 0 ? `${lines.join('\n')}\n` : ''
  const converted = Buffer.allocUnsafeSlow(text.length + SLACK)
  converted.write(text, 'latin1')
  return { bytes: converted, length: text.length, places, rejected }
}

/** JSON of the line's event; '' for an empty line and one that is left out. */
function eventOf(
  line: string,
  bytes: Uint8Array,
  pos: number,
  length: number,
  { product, skip }: WebLogOptions,
  counts: WebLogCounts,
): string | EventError {
  if (line.trim() === '') return ''
  const match = COMBINED.exec(line)
  if (!match)
    return {
      code: 'MALFORMED_LOG_LINE',
      message: 'not a line of the combined log format: address … [time] "request" status bytes "referrer" "agent"',
    }
  const [, address, time, request, status, size, referrer, agent] = match
  const ts = timeOf(time)
  if (Number.isNaN(ts))
    return { code: 'INVALID_TIME', field: 'ts', message: `${time.slice(0, 60)} is no time such as 17/May/2015:10:05:03 +0000` }
  const [method, target, ...rest] = request.split(' ')
  if (!target || rest.length > 1)
    return { code: 'MALFORMED_REQUEST', field: 'screen', message: 'the request is no METHOD, path and protocol, so it names no screen' }
  const screen = target.replace(/^https?:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '') || '/'
  const asset = ASSET.test(screen)
  const bot = BOT.test(agent)
  if (asset) counts.assets++
  if (bot) counts.bots++
  if ((asset && skip.includes('assets')) || (bot && skip.includes('bots'))) {
    counts.filtered++
    return ''
  }
  hash128(bytes, pos, length)
  const eventId = hex()
  const who = Buffer.from(`${address}\0${agent}${'\0'.repeat(HASH_SLACK)}`, 'latin1')
  hash128(who, 0, who.length - HASH_SLACK)
  return JSON.stringify({
    eventId,
    productId: product,
    anonymousId: hex(),
    type: 'screen_view',
    ts,
    screen: plain(screen),
    properties: {
      method: plain(method),
      status: Number(status),
      ...(size === '-' ? {} : { bytes: Number(size) }),
      ...(referrer === '-' || referrer === '' ? {} : { referrer: plain(referrer) }),
      ...(asset ? { asset: true } : {}),
      ...(bot ? { bot: true } : {}),
    },
  })
}

/** Servers write \" and \\ in quoted fields; \x41 and the like stay as they were written. */
const plain = (text: string) => (text.includes('\\') ? text.replace(/\\(["\\])/g, '$1') : text)

const hex = () => Array.from(h128, (word) => word.toString(16).padStart(8, '0')).join('')

/** ms since epoch, or NaN. */
function timeOf(text: string): number {
  const match = TIME.exec(text)
  if (!match) return Number.NaN
  const [day, year, hour, minute, second, zoneHour, zoneMinute] = [1, 3, 4, 5, 6, 8, 9].map((i) => Number(match[i]))
  const month = MONTHS.indexOf(match[2])
  const local = Date.UTC(year, month, day, hour, minute, second)
  const isDay = month >= 0 && new Date(Date.UTC(year, month, day)).getUTCDate() === day
  if (!isDay || hour > 23 || minute > 59 || second > 60 || zoneMinute > 59) return Number.NaN
  return local - (match[7] === '-' ? -1 : 1) * (zoneHour * 60 + zoneMinute) * 60_000
}
