// How fast do events come in over HTTP, and are they there? The door and its log on the same cores as those who send.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { BATCH_EVENTS, bareOnce, type IngestAnswer, ingestOnce, upOnce } from './harness/ingest-once.ts'
import { median } from './harness/median.ts'
import type { Question } from './harness/report.ts'

const EVENTS = 3_000_000
const QUICK_EVENTS = 500_000
const ROUNDS = 3
/** With everything running beside it: reported only, and it takes its time. */
const UP_EVENTS = 1_000_000
const QUICK_UP_EVENTS = 100_000

export const ingest: Question = {
  name: 'ingest',
  asks: `batches of ${BATCH_EVENTS} over HTTP on 64 connections, on the disk before each answer, clickstream off`,
  async run({ quick, folder, note }) {
    const batches = (quick ? QUICK_EVENTS : EVENTS) / BATCH_EVENTS
    const upBatches = (quick ? QUICK_UP_EVENTS : UP_EVENTS) / BATCH_EVENTS
    note(`${whole(batches * BATCH_EVENTS)} events, ${ROUNDS} rounds; then ${whole(upBatches * BATCH_EVENTS)} into packmill up`)
    const data = join(folder, 'data')
    const rounds: IngestAnswer[] = []
    const bare: IngestAnswer[] = []
    for (let round = 1; round <= ROUNDS; round++) {
      const bareFirst = round % 2 === 0
      if (bareFirst) bare.push(await bareOnce(batches))
      rmSync(data, { recursive: true, force: true })
      rounds.push(await ingestOnce(data, batches))
      if (!bareFirst) bare.push(await bareOnce(batches))
      const { eventsPerSecond, medianMs, p99Ms } = rounds.at(-1)!
      note(
        `round ${round}: ${whole(eventsPerSecond)} events/s (bare ${whole(bare.at(-1)!.eventsPerSecond)}), an answer after ${medianMs.toFixed(0)} ms, p99 ${p99Ms.toFixed(0)}`,
      )
    }
    rmSync(data, { recursive: true, force: true })
    const up = await upOnce(data, upBatches)
    const events = batches * BATCH_EVENTS
    const of = (rate: (answer: IngestAnswer) => number) => median(rounds.map(rate))
    const wrong = [...rounds, up].reduce((sum, { recount }) => sum + recount!.missing + recount!.unexpected, 0)
    return [
      { name: 'ingest-rate', value: of(({ eventsPerSecond }) => eventsPerSecond), unit: 'events/s', atLeast: 120_000 },
      { name: 'differences', value: wrong, unit: 'acknowledged events that the log does not hold once', atMost: 0 },
      {
        name: 'ingest-over-bare-http',
        value: median(rounds.map(({ eventsPerSecond }, round) => eventsPerSecond / bare[round].eventsPerSecond)),
        unit: "× the rate of Node's HTTP server that drops the same bodies",
      },
      { name: 'bare-http-rate', value: median(bare.map(({ eventsPerSecond }) => eventsPerSecond)), unit: 'events/s' },
      { name: 'server', value: of(({ serverCpuSeconds }) => (serverCpuSeconds / events) * 1e6), unit: 'µs CPU per event' },
      {
        name: 'bare-server',
        value: median(bare.map(({ serverCpuSeconds }) => (serverCpuSeconds / events) * 1e6)),
        unit: 'µs CPU per event',
      },
      { name: 'load', value: of(({ cpuSeconds }) => (cpuSeconds / events) * 1e6), unit: 'µs CPU per event of those who send' },
      { name: 'answer', value: of(({ medianMs }) => medianMs), unit: 'ms, median' },
      { name: 'answer-p99', value: of(({ p99Ms }) => p99Ms), unit: 'ms' },
      { name: 'with-clickstream', value: up.eventsPerSecond, unit: 'events/s into packmill up, lanes and tables beside it' },
      { name: 'events', value: events, unit: 'events per round' },
    ]
  },
}

const whole = (value: number) => Math.round(value).toLocaleString('en-GB')
