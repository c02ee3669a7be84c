// Next timers of many users: a binary heap of (time, user). Entries are never changed or removed: one whose time is no longer the user's
// is stale, and whoever pops it sees that.
import { grown } from './word-list.ts'

export class TimerHeap {
  size = 0
  private times = new Float64Array(16)
  private users = new Uint32Array(16)

  /** The earliest time, or Infinity. */
  get firstMs(): number {
    return this.size === 0 ? Number.POSITIVE_INFINITY : this.times[0]
  }

  push(timeMs: number, user: number): void {
    if (this.size === this.times.length) this.grow()
    const { times, users } = this
    let at = this.size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (times[parent] <= timeMs) break
      times[at] = times[parent]
      users[at] = users[parent]
      at = parent
    }
    times[at] = timeMs
    users[at] = user
  }

  /** Removes the earliest entry and returns its user. */
  pop(): number {
    const { times, users } = this
    const first = users[0]
    const size = --this.size
    const time = times[size]
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= size) break
      if (child + 1 < size && times[child + 1] < times[child]) child++
      if (times[child] >= time) break
      times[at] = times[child]
      users[at] = users[child]
      at = child
    }
    times[at] = time
    users[at] = users[size]
    return first
  }

  private grow(): void {
    const { times } = this
    this.times = new Float64Array(times.length * 2)
    this.times.set(times)
    this.users = grown(this.users)
  }
}
