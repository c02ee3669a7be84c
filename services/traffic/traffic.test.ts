import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { EVENT_TYPES, type WireEvent } from '../../model/event.ts'
import { type TrafficOptions, traffic, trafficDefaults, trafficEvents } from './traffic.ts'

const bytesOf = (options: Partial<TrafficOptions>, linesPerChunk = 1000) => {
  const generator = traffic(options)
  const chunks: Uint8Array[] = []
  for (let chunk = generator.nextChunk(linesPerChunk); chunk; chunk = generator.nextChunk(linesPerChunk)) chunks.push(chunk)
  return { bytes: Buffer.concat(chunks), truth: generator.truth }
}
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

describe('the same seed', () => {
  test('gives the same bytes, whatever the size of the chunks, and the bytes that it gave when this was written', () => {
    const one = digest(bytesOf({ seed: 7, events: 5000 }).bytes)
    expect(digest(bytesOf({ seed: 7, events: 5000 }, 37).bytes)).toBe(one)
    expect(one).toBe('68b6e9f423e6ca8853bb8a1079cb473bdbc1aec45a14e5865c12c95d5e867fca')
  })

  test('another one gives others', () => {
    expect(digest(bytesOf({ seed: 8, events: 5000 }).bytes)).not.toBe(digest(bytesOf({ seed: 7, events: 5000 }).bytes))
  })

  test('trafficEvents are the parsed lines', () => {
    const lines = bytesOf({ seed: 3, events: 500 }).bytes.toString().trimEnd().split('\n')
    expect([...trafficEvents({ seed: 3, events: 500 })]).toEqual(lines.map((line) => JSON.parse(line)))
  })
})

describe('200,000 lines of the default traffic', () => {
  const events = 200_000
  const { bytes, truth } = bytesOf({ seed: 1, events })
  const lines = bytes.toString().trimEnd().split('\n')
  const parsed = lines.map((line) => JSON.parse(line) as WireEvent)
  const share = (wanted: (event: WireEvent) => boolean) => parsed.filter(wanted).length / events

  test('are as many as asked for, 250–285 bytes each on average, and have all types', () => {
    expect(lines.length).toBe(events)
    expect(bytes.length / events).toBeGreaterThan(250)
    expect(bytes.length / events).toBeLessThan(285)
    for (const type of EVENT_TYPES) expect(share((event) => event.type === type)).toBeGreaterThan(0.01)
    expect(share((event) => event.type === 'custom' && !!event.name && !!event.properties)).toBeGreaterThan(0.08)
    expect(share((event) => event.anonymousId !== undefined)).toBeGreaterThan(0.07)
  })

  test('hold 5 % duplicates with the same content and 1 % disorder', () => {
    const seen = new Map<string, string>()
    let duplicates = 0
    lines.forEach((line, at) => {
      const before = seen.get(parsed[at].eventId)
      if (before !== undefined) duplicates++
      expect(before ?? line).toBe(line)
      seen.set(parsed[at].eventId, line)
    })
    expect(duplicates).toBe(truth.duplicates)
    expect(duplicates / events).toBeGreaterThan(0.045)
    expect(duplicates / events).toBeLessThan(0.055)
    expect(truth.disordered / events).toBeGreaterThan(0.008)
    expect(truth.disordered / events).toBeLessThan(0.012)
  })

  test('are sorted by time but for lines delayed by at most allowedDisorderMs', () => {
    let largestMs = 0
    let behind = 0
    for (const { ts } of parsed) {
      const ms = ts as number
      expect(largestMs - ms).toBeLessThanOrEqual(trafficDefaults.allowedDisorderMs)
      if (ms < largestMs) behind++
      largestMs = Math.max(largestMs, ms)
    }
    expect(behind).toBeGreaterThan(truth.disordered * 0.9)
  })

  test('come from 16 orgs and many users, some of whom come often; visits have 5–60 events and last minutes', () => {
    const byUser = new Map<string, number[]>()
    for (const event of parsed) {
      const user = `${event.orgId} ${event.productId} ${event.userId ?? event.anonymousId}`
      const times = byUser.get(user)
      if (times) times.push(event.ts as number)
      else byUser.set(user, [event.ts as number])
    }
    expect(new Set(parsed.map((event) => event.orgId)).size).toBe(16)
    expect(byUser.size).toBeGreaterThan(4000)
    const spans = [...byUser.values()].map((times) => Math.max(...times) - Math.min(...times)).sort((a, b) => a - b)
    expect(spans[spans.length >> 1]).toBeGreaterThan(60_000)
    expect(spans[spans.length >> 1]).toBeLessThan(3_600_000)
    expect(truth.rageBursts).toBeGreaterThan(500)
    expect(truth.backtracks).toBeGreaterThan(500)
    expect(truth.tasksCompleted).toBeGreaterThan(truth.tasksStarted / 5)
  })
})

test('late events are there only when asked for, and are beyond the bounds that they are named after', () => {
  const options = { seed: 5, users: 300, orgs: 1, events: 60_000, lateBeyondDisorder: 0.01, late: 0.005 }
  const { bytes, truth } = bytesOf(options)
  expect(truth.lateBeyondDisorder).toBeGreaterThan(400)
  expect(truth.late).toBeGreaterThan(200)
  const largest = new Map<string, number>()
  let beyondDisorder = 0
  let beyondCorrection = 0
  for (const line of bytes.toString().trimEnd().split('\n')) {
    const { productId, ts } = JSON.parse(line) as { productId: string; ts: number }
    const behindMs = (largest.get(productId) ?? 0) - ts
    if (behindMs > 3_660_000) beyondCorrection++
    else if (behindMs > 60_000) beyondDisorder++
    largest.set(productId, Math.max(largest.get(productId) ?? 0, ts))
  }
  expect(beyondCorrection).toBeGreaterThan(truth.late * 0.8)
  expect(beyondCorrection).toBeLessThanOrEqual(truth.late)
  expect(beyondDisorder).toBeGreaterThan(truth.lateBeyondDisorder * 0.8)
})
