// A producer that knows nothing of Packmill: generated traffic at a steady rate. A chunk of which it does not hear is sent again, so events.raw has some of
// them twice: what is right is reckoned from what lies there.
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Producer } from 'kafkajs'
import type { WireEvent } from '../../../model/event.ts'
import { TOPICS } from '../../../model/rows.ts'
import { trafficEvents } from '../../../services/traffic/traffic.ts'
import { kafkaClient } from '../../../stores/kafka/kafka-client.ts'

const EVERY_MS = 50
const EVENTS_MAX = 50_000_000
const AGAIN_MS = 100

export class Load {
  /** Sent, and heard of. */
  events = 0
  private readonly over = new AbortController()
  private readonly sending: Promise<void>
  private readonly producer: Producer

  constructor({ broker, topicPrefix, seed, rate }: { broker: string; topicPrefix: string; seed: number; rate: number }) {
    this.producer = kafkaClient({ brokers: [broker] }).producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
    const events = trafficEvents({
      ...{ seed, events: EVENTS_MAX, orgs: 24, users: 2000 },
      ...{ duplicates: 0.05, disorder: 0.05, lateBeyondDisorder: 0.01, late: 0.005 },
    })[Symbol.iterator]()
    this.sending = this.send(events, `${topicPrefix}${TOPICS.raw}`, Math.max(1, Math.round((rate * EVERY_MS) / 1000)))
  }

  /** Resolves when what was begun is sent, or the broker is away. */
  async stop(): Promise<void> {
    this.over.abort()
    await this.sending
    await this.producer.disconnect()
  }

  private async send(events: Iterator<WireEvent>, topic: string, chunk: number): Promise<void> {
    for (let nextMs = performance.now(); !this.over.signal.aborted; nextMs = Math.max(nextMs + EVERY_MS, performance.now() - EVERY_MS)) {
      const messages = Array.from({ length: chunk }, () => events.next().value as WireEvent).map((event) => ({
        key: `${event.orgId}:${event.productId}`,
        value: JSON.stringify(event),
      }))
      while (!(await this.sent(topic, messages))) {
        if (this.over.signal.aborted) return
        await sleep(AGAIN_MS)
      }
      this.events += chunk
      await sleep(Math.max(0, nextMs + EVERY_MS - performance.now()))
    }
  }

  private async sent(topic: string, messages: { key: string; value: string }[]): Promise<boolean> {
    try {
      await this.producer.connect()
      await this.producer.send({ topic, messages })
      return true
    } catch {
      // The broker is away.
      return false
    }
  }
}
