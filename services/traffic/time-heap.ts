// A binary heap of things by time, ties in order of arrival: what comes next. Owns the order; never looks into the things.

export class TimeHeap<T> {
  #times: number[] = []
  #orders: number[] = []
  #items: T[] = []
  #pushed = 0

  get size(): number {
    return this.#items.length
  }

  /** Time of the next thing, Infinity when there is none. */
  get nextMs(): number {
    return this.#items.length === 0 ? Infinity : this.#times[0]
  }

  push(timeMs: number, item: T): void {
    let at = this.#items.length
    const order = this.#pushed++
    this.#times.push(timeMs)
    this.#orders.push(order)
    this.#items.push(item)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.#times[parent] <= timeMs) break
      this.#move(parent, at)
      at = parent
    }
    this.#set(at, timeMs, order, item)
  }

  /** Takes the next thing out. The heap must not be empty. */
  pop(): T {
    const first = this.#items[0]
    const timeMs = this.#times.pop()!
    const order = this.#orders.pop()!
    const item = this.#items.pop()!
    const size = this.#items.length
    if (size === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && this.#before(child + 1, this.#times[child], this.#orders[child])) child++
      if (!this.#before(child, timeMs, order)) break
      this.#move(child, at)
      at = child
    }
    this.#set(at, timeMs, order, item)
    return first
  }

  #before(at: number, timeMs: number, order: number): boolean {
    return this.#times[at] < timeMs || (this.#times[at] === timeMs && this.#orders[at] < order)
  }

  #move(from: number, to: number): void {
    this.#set(to, this.#times[from], this.#orders[from], this.#items[from])
  }

  #set(at: number, timeMs: number, order: number, item: T): void {
    this.#times[at] = timeMs
    this.#orders[at] = order
    this.#items[at] = item
  }
}
