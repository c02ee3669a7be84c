// Whose checkpoint is due though little has come in since its last: a task that keeps files of the embedded log beyond their retention. Files hold the
// records of all partitions, and a task needs its input from its last checkpoint on: one with a trickle of input would keep what all others had for days.
import type { TopicPartition } from '../../engine/log/contract.ts'
import type { JournalLog } from '../../stores/log/journal-log.ts'
import { type Retention, retentionOf } from '../../stores/log/retention.ts'

interface Watched {
  at: TopicPartition
  /** What was appended before lies in files that would go. */
  through: number
}

export class Overdue {
  private readonly log: Pick<JournalLog, 'since' | 'index'>
  private readonly retention: Retention
  private readonly tasks = new Map<string, Watched>()

  constructor(log: Pick<JournalLog, 'since' | 'index'>, retention: Retention) {
    this.log = log
    this.retention = retention
  }

  /** `name`: what it claims by; `at`: its input. */
  watch(name: string, at: TopicPartition): void {
    this.tasks.set(name, { at, through: 0 })
  }

  /** Which files are beyond their retention? To be asked now and then. */
  look(nowMs: number): void {
    for (const task of this.tasks.values()) task.through = this.log.since(task.at, nowMs - retentionOf(this.retention, task.at.topic).ms)
  }

  /** Until what it needs lies behind what was beyond its retention when that was looked at last. */
  has(name: string): boolean {
    const { at, through } = this.tasks.get(name)!
    return this.log.index.need(name, at.topic, at.partition).from < through
  }
}
