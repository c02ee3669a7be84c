// Waits for records that are neither committed nor aborted, in a partition that one transactional id writes alone, and says when that will not come (protocol 17).
//
// The fence before has ended all that was open of that id, markers and all. What follows it is decided, and its marker on the way. What is open longer is another's,
// which its timeout ends, or one that its coordinator knows nothing of (a write that came in after its end, at brokers that do not verify transactions): nobody
// ends that but a person.
import { setTimeout as sleep } from 'node:timers/promises'
import type { TopicPartition } from '../../engine/log/contract.ts'
import { KafkaError } from './kafka-error.ts'

/** Longer than a transaction of ordinary settings stays open (60 s, producers' default), and than brokers take to notice (10 s). */
const HANG_MS = 90_000
const PAUSE_FIRST_MS = 5
const PAUSE_MAX_MS = 500

export class Undecided {
  private readonly at: TopicPartition
  private position = -1
  private sinceMs = 0
  private pauseMs = PAUSE_FIRST_MS

  constructor(at: TopicPartition) {
    this.at = at
  }

  /** A moment, where nothing can be read at a position though there are records up to `end`. Errors: KAFKA_TRANSACTION_HANGS. */
  async wait(position: number, end: number): Promise<void> {
    const nowMs = performance.now()
    if (position !== this.position) {
      this.position = position
      this.sinceMs = nowMs
      this.pauseMs = PAUSE_FIRST_MS
    }
    if (nowMs - this.sinceMs > HANG_MS) throw hangs(this.at, position, end, nowMs - this.sinceMs)
    await sleep(this.pauseMs)
    this.pauseMs = Math.min(PAUSE_MAX_MS, this.pauseMs * 2)
  }
}

const hangs = ({ topic, partition }: TopicPartition, position: number, end: number, ms: number): KafkaError =>
  new KafkaError(
    'KAFKA_TRANSACTION_HANGS',
    `${topic}/${partition}: records from offset ${position} to ${end} are neither committed nor aborted after ${Math.round(ms / 1000)} s, though their owner was fenced`,
    `See whose they are: kafka-transactions.sh describe-producers --topic ${topic} --partition ${partition}. Abort them: kafka-transactions.sh abort --topic ${topic} --partition ${partition} --start-offset with the CurrentTransactionStartOffset shown there. Then start this process again.`,
  )
