// Says of a partition on Kafka that retention comes near, or has come to, what it would be recovered from (protocol 24): brokers delete by age, whoever needs it. A
// checkpoint is forced before (checkpoint-age.ts), so either says that checkpoints do not end. Owns when it is said: once each, until one has ended.
import { EngineError } from '../../engine/errors.ts'
import type { TopicPartition } from '../../engine/log/contract.ts'
import type { CheckpointAge } from './checkpoint-age.ts'

/** Of a task: what its newest checkpoint needs of the input and all after it, how far it has read, and how many have ended. */
interface Needs {
  neededFrom: number
  passed: number
  checkpoints: number
}

export class RetentionAlarm {
  private readonly at: TopicPartition
  private readonly age: CheckpointAge
  private readonly say: (error: EngineError) => void
  private readonly said = new Set<string>()
  private finished = 0

  constructor(at: TopicPartition, age: CheckpointAge, say: (error: EngineError) => void) {
    this.at = at
    this.age = age
    this.say = say
  }

  /** `start`: of what the broker has left of the input. True where what is needed is being deleted. */
  look(start: number, { neededFrom, passed, checkpoints }: Needs, nowMs: number): boolean {
    if (checkpoints !== this.finished) {
      this.finished = checkpoints
      this.said.clear()
    }
    const where = `partition ${this.at.partition} of ${this.at.topic}`
    const isDeleted = start > neededFrom
    // Where nothing was read since there is nothing to lose.
    if (passed === neededFrom) return isDeleted
    if (isDeleted)
      this.once(
        'INPUT_BEING_DELETED',
        `${where} begins at offset ${start}, and the newest checkpoint needs it from offset ${neededFrom}: were its process to end now, it could not be recovered`,
        'A checkpoint is being taken; when it has ended all is well again. Raise retention.ms or retention.bytes of the topic, or lower engine.checkpointBytes.',
      )
    else if (this.age.isLate(nowMs))
      this.once(
        'CHECKPOINT_OVERDUE',
        `${where}: half of log.retentionMs has passed without a checkpoint; brokers may delete what was read since when all of it has`,
        'See what keeps its checkpoints from ending: warnings of this process, a broker that refuses, a disk that is full. Until then raise retention.ms of the topic.',
      )
    return isDeleted
  }

  private once(code: string, message: string, advice: string): void {
    if (this.said.has(code)) return
    this.said.add(code)
    this.say(new EngineError(code, message, advice, { retryable: true }))
  }
}
