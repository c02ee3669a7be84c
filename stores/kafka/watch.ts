// Waits for records to come: one fetch per broker that is answered when any partition has new ones, while somebody waits. Owns its connection.
//
// 1. A partition is reported once per new end: a reader that does not read on must not make the others spin.
// 2. What comes for a reader that stands at the end is handed to it: it is not fetched twice.
import { setTimeout as sleep } from 'node:timers/promises'
import type { TopicPartition } from '../../engine/log/contract.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import type { KafkaReader } from './kafka-reader.ts'

/** A partition that is looked at newly waits for the fetches under way at most this long. */
const WAIT_MS = 250
const PAUSE_MS = 100

interface Watched extends TopicPartition {
  /** New is what lies behind this. */
  seenTo: number
  leader: string | undefined
}

export class Watch {
  private readonly cluster: KafkaCluster
  private readonly watched = new Map<string, Watched>()
  private readonly readers = new Map<string, Set<KafkaReader>>()
  private readonly fetching = new Set<string>()
  private waiters: (() => void)[] = []
  /** Something came that nobody has been told of. */
  private isNew = true
  private closed = false

  constructor(cluster: KafkaCluster) {
    this.cluster = cluster
  }

  /** Somebody has seen the partition up to there. */
  saw({ topic, partition }: TopicPartition, position: number): void {
    const key = `${topic}/${partition}`
    const watched = this.watched.get(key)
    if (!watched) this.watched.set(key, { topic, partition, seenTo: position, leader: undefined })
    else watched.seenTo = Math.max(watched.seenTo, position)
    if (!watched && this.waiters.length > 0) this.start()
  }

  add(reader: KafkaReader): void {
    const key = `${reader.at.topic}/${reader.at.partition}`
    this.readers.set(key, (this.readers.get(key) ?? new Set()).add(reader))
  }

  remove(reader: KafkaReader): void {
    this.readers.get(`${reader.at.topic}/${reader.at.partition}`)?.delete(reader)
  }

  /** Something was committed here. */
  tell(): void {
    this.isNew = true
    if (this.waiters.length === 0) return
    this.isNew = false
    const { waiters } = this
    this.waiters = []
    for (const resolve of waiters) resolve()
  }

  /** Resolves when something came since it last did. Never rejects. */
  changed(): Promise<void> {
    if (this.isNew || this.closed) {
      this.isNew = false
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      this.waiters.push(resolve)
      this.start()
    })
  }

  async close(): Promise<void> {
    this.closed = true
    this.tell()
    await this.cluster.close()
  }

  private start(): void {
    void this.findLeaders().then((leaders) => {
      for (const leader of leaders) if (!this.fetching.has(leader)) void this.fetchFrom(leader)
    })
  }

  private async findLeaders(): Promise<Set<string>> {
    const leaders = new Set<string>()
    for (const watched of this.watched.values()) {
      watched.leader ??= await this.cluster.leaderOf(watched).catch(() => undefined)
      if (watched.leader !== undefined) leaders.add(watched.leader)
    }
    return leaders
  }

  /** Until nobody waits. */
  private async fetchFrom(leader: string): Promise<void> {
    this.fetching.add(leader)
    while (this.waiters.length > 0 && !this.closed) {
      const asked = [...this.watched.values()].filter((watched) => watched.leader === leader)
      if (asked.length === 0) break
      const requests = asked.map(({ topic, partition, seenTo }) => {
        const readers = [...(this.readers.get(`${topic}/${partition}`) ?? [])]
        return { topic, partition, from: seenTo, maxBytes: Math.max(1, ...readers.map(({ fetchBytes }) => fetchBytes)) }
      })
      try {
        const fetched = await this.cluster.fetchFrom(leader, requests, WAIT_MS)
        for (const [i, one] of fetched.entries()) {
          const watched = asked[i]
          const end = Math.max(one.end, one.after)
          if (end <= watched.seenTo) continue
          watched.seenTo = end
          for (const reader of this.readers.get(`${watched.topic}/${watched.partition}`) ?? []) reader.offer(one)
          this.tell()
        }
      } catch {
        // Whoever reads is told what is wrong; here the brokers are looked for again.
        for (const watched of asked) watched.leader = undefined
        if (!this.closed) await sleep(PAUSE_MS)
        break
      }
    }
    this.fetching.delete(leader)
    if (this.waiters.length > 0 && !this.closed) this.start()
  }
}
