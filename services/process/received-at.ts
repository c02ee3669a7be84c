// When a record, or what it speaks of, was received: ms since epoch, or undefined where it does not say. Pure.
// 0 says nothing: a replay into another number of partitions writes that where there was none.

/** An event says it (`receivedAt`), a row by its column (`received_at`), a late event or a dead letter by the record in it. Sums do not. */
export function receivedAt(text: string): number | undefined {
  // As the door writes it: the last field.
  const last = /"receivedAt":(\d+)\}$/.exec(text.slice(-40))
  if (last) return Number(last[1]) || undefined
  try {
    const { receivedAt: at, received_at, record } = JSON.parse(text) as Record<string, unknown>
    const found = at ?? received_at ?? (typeof record === 'string' ? receivedAt(record) : undefined)
    return typeof found === 'number' ? found || undefined : undefined
  } catch {
    // Not every topic has JSON objects.
    return undefined
  }
}
