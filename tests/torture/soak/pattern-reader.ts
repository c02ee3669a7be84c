// Reads the incidents of a soak's patterns as they come, and how long after its third click was due each was read. Owns when it looks.
import { setTimeout as sleep } from 'node:timers/promises'
import { preciseNow } from '../../../bench/harness/live.ts'
import { type IncidentRow, TOPICS } from '../../../model/rows.ts'
import { JournalTail } from './journal-tail.ts'
import { PATTERN_USER } from './soak-traffic.ts'

const POLL_MS = 4
const LIST_MS = 200
const MINE = `"user_id":"u:${PATTERN_USER}`

export class PatternReader {
  /** Users whose incident was read, and how often. */
  readonly seen = new Map<string, number>()
  /** Rejects where the log cannot be read. */
  readonly reading: Promise<void>
  private latencies: number[] = []
  private isOver = false

  /** `folder`: of the log. */
  constructor(folder: string) {
    this.reading = this.read(new JournalTail(folder, TOPICS.incidents))
    this.reading.catch(() => undefined)
  }

  /** Latencies of those read since it was asked before, ms. */
  take(): number[] {
    const taken = this.latencies
    this.latencies = []
    return taken
  }

  async stop(): Promise<void> {
    this.isOver = true
    await this.reading
  }

  private async read(tail: JournalTail): Promise<void> {
    const onRecord = (text: string) => {
      if (!text.includes(MINE)) return
      const { kind, version, user_id, last_at } = JSON.parse(text) as IncidentRow
      if (kind !== 'rage_click' || version !== 1) return
      this.latencies.push(preciseNow() - last_at)
      this.seen.set(user_id, (this.seen.get(user_id) ?? 0) + 1)
    }
    for (let listedMs = 0; !this.isOver; await sleep(POLL_MS)) {
      if (preciseNow() - listedMs > LIST_MS) {
        tail.list()
        listedMs = preciseNow()
      }
      tail.read(onRecord)
    }
    tail.close()
  }
}
