// Waits for records to come: one fetch per broker that is answered when any partition has new ones, while somebody waits. Owns its connection.
//
// 1. A partition is reported once per new end: a reader that does not read on must not make the others spin.
// 2. What comes for readers that stand at the end is handed to each of them: it is not fetched twice.
// 3. While somebody waits, no failure is the last word: brokers are looked for again, and positions that are gone are looked up anew.
import { setTimeout as sleep } from 'node:timers/promises'
import type { TopicPartition } from '../../engine/log/contract.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { errorType } from './kafka-error.ts'
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
  private readonly pause: () => Promise<unknown>
  private waiters: (() => void)[] = []
  /** Something came that nobody has been told of. */
  private isNew = true
  private isLooking = false
  private closed = false

  /** `pause`: before brokers that failed are asked again. */
  constructor(cluster: KafkaCluster, pause: () => Promise<unknown> = () => sleep(PAUSE_MS)) {
    this.cluster = cluster
    this.pause = pause
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

  isRead({ topic, partition }: TopicPartition): boolean {
    return (this.readers.get(`${topic}/${partition}`)?.size ?? 0) > 0
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
    for (const { leader } of this.watched.values()) void this.fetchFrom(leader)
    if (!this.isLooking) void this.findLeaders()
  }

  /** Until each partition's is known, or nobody waits. */
  private async findLeaders(): Promise<void> {
    this.isLooking = true
    const unknown = () => [...this.watched.values()].filter(({ leader }) => leader === undefined)
    while (this.waiters.length > 0 && !this.closed && unknown().length > 0) {
      let failed = false
      for (const watched of unknown()) {
        watched.leader = await this.cluster.leaderOf(watched).catch(() => undefined)
        failed ||= watched.leader === undefined
        void this.fetchFrom(watched.leader)
      }
      if (failed) await this.pause()
    }
    this.isLooking = false
  }

  /** Until nobody waits. */
  private async fetchFrom(leader: string | undefined): Promise<void> {
    if (leader === undefined || this.fetching.has(leader)) return
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
          for (const reader of this.readers.get(`${watched.topic}/${watched.partition}`) ?? []) reader.offer(one.copy())
          this.tell()
        }
      } catch (error) {
        // Whoever reads is told what is wrong; here the brokers are looked for again.
        if (errorType(error) === 'OFFSET_OUT_OF_RANGE') await this.lookUp(asked)
        else for (const watched of asked) watched.leader = undefined
        if (!this.closed) await this.pause()
        break
      }
    }
    this.fetching.delete(leader)
    if (this.waiters.length > 0 && !this.closed) this.start()
  }
  /** Partitions whose records were deleted or lost beyond what was seen: one of them fails the fetch for all. */
  private async lookUp(asked: readonly Watched[]): Promise<void> {
    for (const watched of asked) {
      const bounds = await this.cluster.bounds(watched).catch(() => undefined)
      if (!bounds || (bounds.start <= watched.seenTo && watched.seenTo <= bounds.end)) continue
      watched.seenTo = bounds.end
      this.tell()
    }
  }
}
