// A thread that sends a soak's lines over HTTP when they are due, whatever becomes of those before: an open loop. What could not be sent in time goes as soon
// as it can, and keeps its time, from which latency counts.
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { preciseNow } from '../../../bench/harness/live.ts'
import { type SoakShape, SoakTraffic } from './soak-traffic.ts'

export interface SoakLoadOrder {
  port: number
  shape: SoakShape
  /** The first line is due then, ms since epoch. */
  fromMs: number
}

export interface SoakLoadSays {
  /** Lines of batches that were answered with 202, and what the answers said of them. */
  sent: number
  accepted: number
  rejected: number
  /** Batches that were sent again: the process asked for it (503), or had closed the connection. */
  again: number
  patterns: number
  /** The longest that a line waited for being sent, ms, since it was said before. */
  latestMs: number
  /** The last: nothing is under way. */
  isOver: boolean
}

const TICK_MS = 10
const SAY_MS = 1000
const BATCH = 500
/** Batches under way; more wait, late. */
const UNDER_WAY = 8
const AGAIN_MS = 200

async function run({ port, shape, fromMs }: SoakLoadOrder): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: UNDER_WAY })
  const lines = new SoakTraffic(shape, fromMs)
  const said: SoakLoadSays = { sent: 0, accepted: 0, rejected: 0, again: 0, patterns: 0, latestMs: 0, isOver: false }
  const say = (isOver: boolean) => {
    parentPort!.postMessage({ ...said, patterns: lines.patterns, isOver } satisfies SoakLoadSays)
    said.latestMs = 0
  }
  /** Status 0: the connection, which had been idle, was closed as it was used. */
  const post = (body: Buffer) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': body.length }
      const asked = request({ agent, host: '127.0.0.1', port, method: 'POST', path: '/v1/events/batch', headers }, (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (piece: string) => (text += piece))
        answer.on('error', reject).on('end', () => resolve({ status: answer.statusCode!, text }))
      })
      const failed = (error: NodeJS.ErrnoException) => {
        if (asked.reusedSocket && error.code === 'ECONNRESET') resolve({ status: 0, text: '' })
        else reject(error)
      }
      asked.on('error', failed).end(body)
    })
  const send = async (body: Buffer, count: number) => {
    for (;;) {
      const { status, text } = await post(body)
      if (status === 202) {
        const { accepted, rejected } = JSON.parse(text) as { accepted: number; rejected: number }
        said.sent += count
        said.accepted += accepted
        said.rejected += rejected
        return
      }
      if (status !== 503 && status !== 0) throw new Error(`a batch was answered with ${status}: ${text}`)
      said.again++
      await sleep(status === 0 ? 0 : AGAIN_MS)
    }
  }
  let stopping = false
  parentPort!.on('message', () => {
    stopping = true
  })
  const underWay = new Set<Promise<void>>()
  for (let saidMs = preciseNow(); !stopping; ) {
    const nowMs = preciseNow()
    if (nowMs - saidMs > SAY_MS) {
      say(false)
      saidMs = nowMs
    }
    const due = lines.take(nowMs - fromMs, BATCH)
    if (due.length === 0) {
      await sleep(TICK_MS)
      continue
    }
    said.latestMs = Math.max(said.latestMs, nowMs - fromMs - due[0].dueMs)
    const body = Buffer.from(`{"events":[${due.map(({ line }) => line.toString('utf8')).join(',')}]}`)
    const sending = send(body, due.length).finally(() => underWay.delete(sending))
    underWay.add(sending)
    if (underWay.size >= UNDER_WAY) await Promise.race(underWay)
    else if (due.length < BATCH) await sleep(TICK_MS)
  }
  await Promise.all(underWay)
  say(true)
  agent.destroy()
  parentPort!.close()
}

await run(workerData as SoakLoadOrder)
