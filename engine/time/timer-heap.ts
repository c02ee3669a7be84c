// Next timers of one actor's users: a binary heap of (time, user). Entries are never changed or removed: one whose time is no longer
// the user's is stale, and whoever pops it sees that.
export class TimerHeap {
  private times: number[] = []
  private users: number[] = []

  get size(): number {
    return this.times.length
  }

  /** The earliest time, or Infinity. */
  get firstMs(): number {
    return this.times.length === 0 ? Number.POSITIVE_INFINITY : this.times[0]
  }

  push(timeMs: number, user: number): void {
    let at = this.times.length
    this.times.push(timeMs)
    this.users.push(user)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.times[parent] <= timeMs) break
      this.times[at] = this.times[parent]
      this.users[at] = this.users[parent]
      at = parent
    }
    this.times[at] = timeMs
    this.users[at] = user
  }

  /** Removes the earliest entry and returns its user. */
  pop(): number {
    const first = this.users[0]
    const time = this.times.pop() as number
    const user = this.users.pop() as number
    const size = this.times.length
    if (size === 0) return first
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= size) break
      if (child + 1 < size && this.times[child + 1] < this.times[child]) child++
      if (this.times[child] >= time) break
      this.times[at] = this.times[child]
      this.users[at] = this.users[child]
      at = child
    }
    this.times[at] = time
    this.users[at] = user
    return first
  }
}
