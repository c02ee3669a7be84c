// What a run met: faults by kind, and the ways by which the engine came back. A campaign that never met one of them proves nothing of it.

/** By name: what it is, and how often a hundred seeds must meet it at least. */
export const FAULTS = {
  kills: ['processes killed at a step', 0],
  killsInCommit: ['… with a frame of the log half written, or written and not synced', 0],
  killsInCheckpoint: ['… with a checkpoint file half written', 0],
  killsInApplication: ['… while a checkpoint was applied to the key-value store', 0],
  killsInEviction: ['… between two evictions of one pass', 0],
  killsInInsert: ['… in the middle of an insert', 0],
  killsInReadBack: ['… while a sink read back', 0],
  killsInRetention: ['… while a file of the log was removed', 0],
  killsWhileStarting: ['… before it had started', 0],
  killsWhileRecovering: ['… while it computed epochs again', 0],
  powerLosses: ['power lost with the process', 0],
  lostWrites: ['files of which unsynced bytes were lost', 0],
  tornWrites: ['files of which unsynced pages were zero', 0],
  lostNames: ['new files gone, or removed ones back', 0],
  lostTransactions: ['transactions of a key-value store lost', 0],
  lostRows: ['rows that no answer had come for, lost', 0],
  diskFull: ['disk full', 0],
  failedSyncs: ['fdatasync failed', 0],
  failedRemovals: ['a removal failed', 0],
  insertsFailed: ['inserts failed, or were applied in half', 0],
  insertsUnanswered: ['inserts applied whose answer was lost', 0],
  insertsStalled: ['inserts that stalled, up to beyond their deadline', 0],
  outages: ['the tables answered nobody for up to minutes', 0],
  processStalls: ['the process stood still for seconds to minutes', 0],
  clockJumps: ['the clock jumped: forwards while running, any way between two processes', 0],
  rowsSentAgain: ['records that clients sent again', 0],
  poisonRecords: ['records that an operator throws at', 0],
  failuresOnce: ['records that it throws at once, and never again', 0],
  deadlyRecords: ['times that a record killed the process', 0],
  ownersAtOnce: ['a second owner while the first was at work', 0],
  cutsElsewhere: ['reads cut elsewhere than the blocks were written', 0],
  otherCode: ['starts of another version, or with another layout of the state', 0],
} as const satisfies Record<string, readonly [string, number]>

export const PATHS = {
  restoresFromCheckpoint: ['recoveries from a checkpoint', 0],
  restoresFromNothing: ['recoveries from the beginning of the log', 0],
  epochsRecomputed: ['epochs computed again', 0],
  tasksRecovered: ['tasks recovered within a living process', 0],
  checkpoints: ['checkpoints finished', 0],
  checkpointSlices: ['slices of checkpoints', 0],
  applications: ['checkpoints applied', 0],
  evictions: ['users evicted', 0],
  loads: ['users loaded', 0],
  turnsUndone: ["actors' turns undone and run again row by row", 0],
  deadLetters: ['rows given up after two attempts', 0],
  deadLettersReplayed: ['epochs with dead letters computed again', 0],
  rowsKilled: ['rows given up after they had killed processes', 0],
  fencedCommits: ['commits refused because of another owner', 0],
  otherCodeRefused: ['partitions that refused another version or layout', 0],
  idleAdvances: ['epochs without rows that moved idle actors', 0],
  filesReleased: ['files of the log deleted', 0],
  insertsRepeated: ['inserts sent again under their token', 0],
  readBacks: ['batches read back', 0],
  rowsWrittenAfterReadBack: ['rows found missing by a read-back, and written', 0],
  sinkWaits: ['sinks and partitions that waited for a full disk, and went on', 0],
} as const satisfies Record<string, readonly [string, number]>

export type Count = keyof typeof FAULTS | keyof typeof PATHS
export type Counts = Record<Count, number>

const names = [...Object.keys(FAULTS), ...Object.keys(PATHS)] as Count[]
export const noCounts = (): Counts => Object.fromEntries(names.map((name) => [name, 0])) as Counts

export function addCounts(to: Counts, more: Counts): void {
  for (const name of names) to[name] += more[name]
}

/** What so many seeds should have met and did not; in words. Below twenty seeds nothing is asked for. */
export function notMet(counts: Counts, seeds: number): string[] {
  if (seeds < 20) return []
  return Object.entries<readonly [string, number]>({ ...FAULTS, ...PATHS }).flatMap(([name, [what, in100]]) => {
    const least = Math.max(seeds >= 200 ? 1 : 0, Math.floor((in100 * seeds) / 100))
    const met = counts[name as Count]
    return met < least ? [`${name} (${what}): ${met}, at least ${least} are wanted of ${seeds} seeds`] : []
  })
}
