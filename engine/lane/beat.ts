// What a task says of its work to whoever watches its thread, and what it is told of the threads before it (protocol 22). A task that nobody watches
// knows nothing of them.
export interface TaskBeat {
  /** `an end`: the thread before ended, and this task was not the one that it was at: it need not suspect its rows. */
  readonly follows: 'nobody' | 'an end' | 'its own end'
  /** What the threads before knew: rows that an epoch may take up to this offset. Nothing below `committedTo` is suspected. */
  hunt(committedTo: number): { rowsMax: number; suspectTo: number } | undefined
  /** How often the row that ends at `to` has ended a thread alone. */
  loneEnds(to: number): number
  /** Around the computation of an epoch, which calls operators. */
  during<T>(from: number, to: number, rows: number, compute: () => T): T
}

export const UNWATCHED: TaskBeat = {
  follows: 'nobody',
  hunt: () => undefined,
  loneEnds: () => 0,
  during: (_from, _to, _rows, compute) => compute(),
}
