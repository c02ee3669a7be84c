// When a task's checkpoint is due though little has come in since its last. On Kafka the broker deletes input by its age, whoever needs it: a partition with a trickle
// that was never checkpointed could not be recovered after that. In the embedded log nothing goes that is needed: there it is Overdue's.

/** Of what the topics keep, this part may have passed since the last checkpoint; and so many of it before that is worth an alarm. */
const PART = 1 / 4
const LATE = 2

export class CheckpointAge {
  private readonly mostMs: number
  private finished = 0
  private sinceMs: number

  /** `nowMs`: of a clock that only goes on; the task recovers now, from a checkpoint of which it is not known how old it is. */
  constructor(retentionMs: number, nowMs: number) {
    this.mostMs = retentionMs * PART
    this.sinceMs = nowMs - this.mostMs / 2
  }

  /** `finished`: checkpoints that the task has finished since it recovered. */
  isDue(finished: number, nowMs: number): boolean {
    if (finished !== this.finished) {
      this.finished = finished
      this.sinceMs = nowMs
    }
    return Number.isFinite(this.mostMs) && nowMs - this.sinceMs >= this.mostMs
  }

  /** Whether one was due, and has not ended, for as long again. As of the last isDue. */
  isLate(nowMs: number): boolean {
    return nowMs - this.sinceMs >= LATE * this.mostMs
  }
}
