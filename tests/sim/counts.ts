// What a run met: faults by kind, and the ways by which the engine came back. A campaign that never met one of them proves nothing of it.

/** By name: what it is, and how often a hundred seeds must meet it at least. */
export const FAULTS = {
  kills: ['processes killed at a step', 150],
  killsInCommit: ['… with a frame of the log half written, or written and not synced', 30],
  killsInCheckpoint: ['… with a checkpoint file half written', 10],
  killsInStateRemoval: ['… while a checkpoint file was removed', 5],
  killsInEviction: ['… between two evictions of one pass', 1],
  killsInInsert: ['… in the middle of an insert', 5],
  killsInReadBack: ['… while a sink read back', 5],
  killsInRetention: ['… while a file of the log was removed', 5],
  killsWhileStarting: ['… before it had started', 50],
  killsWhileRecovering: ['… while it computed epochs again', 10],
  powerLosses: ['power lost with the process', 60],
  lostWrites: ['files of which unsynced bytes were lost', 60],
  tornWrites: ['files of which unsynced pages were zero', 30],
  lostNames: ['new files gone, or removed ones back', 60],
  lostRows: ['rows that no answer had come for, lost', 150],
  diskFull: ['disk full', 60],
  failedSyncs: ['fdatasync failed', 25],
  failedRemovals: ['a removal failed', 15],
  insertsFailed: ['inserts failed, or were applied in half', 200],
  insertsUnanswered: ['inserts applied whose answer was lost', 100],
  insertsStalled: ['inserts that stalled, up to beyond their deadline', 80],
  outages: ['the tables answered nobody for up to minutes', 5],
  processStalls: ['the process stood still for seconds to minutes', 25],
  clockJumps: ['the clock jumped: forwards while running, any way between two processes', 50],
  rowsSentAgain: ['records that clients sent again', 100],
  poisonRecords: ['records that an operator throws at', 50],
  failuresOnce: ['records that it throws at once, and never again', 40],
  failedTimers: ['timers that an operator throws in, always or at once', 15],
  deadlyRecords: ['times that a record killed the process', 5],
  ownersAtOnce: ['a second owner while the first was at work', 12],
  cutsElsewhere: ['reads cut elsewhere than the blocks were written', 5000],
  requestsFailed: ['on Kafka: requests of producers that failed', 8],
  requestsUnanswered: ['… that were applied, and not answered', 8],
  brokerOutages: ['… the broker answered nobody for up to a minute', 2],
  killsInTransaction: ['… processes killed with a transaction open, or being committed', 2],
  transactionsAborted: ['… transactions aborted: of dead owners, or given up', 15],
  transactionsTimedOut: ['… transactions that the broker ended, as they took too long', 1],
  machineChanges: ['… processes that found a cache of another time, or none', 8],
  longStops: ['… nobody there for up to days', 5],
  fetchesFromBefore: ['… fetches that began before the offset asked for', 1000],
  holesRead: ['… fetches over offsets that hold no record', 2000],
  recordsCompacted: ['… records of changelogs removed by compaction', 100],
  tombstonesCompacted: ['… and tombstones', 1],
  recordsRetired: ['… records removed by the retention of topics', 1000],
  otherCode: ['starts of another version, or with another layout of the state', 25],
} as const satisfies Record<string, readonly [string, number]>

export const PATHS = {
  restoresFromCheckpoint: ['recoveries from a checkpoint', 200],
  restoresFromNothing: ['recoveries from the beginning of the log', 150],
  epochsRecomputed: ['epochs computed again', 400],
  tasksRecovered: ['tasks recovered within a living process', 70],
  checkpoints: ['checkpoints finished', 1000],
  checkpointsDue: ['… that were due by their age', 20],
  checkpointSlices: ['slices of checkpoints', 2000],
  checkpointFilesReleased: ['checkpoint files deleted, of which nothing was in force any more', 50],
  evictions: ['users evicted', 1500],
  loads: ['users loaded', 1500],
  turnsUndone: ["actors' turns undone and run again row by row", 50],
  deadLetters: ['rows given up after two attempts', 50],
  deadLettersReplayed: ['epochs with dead letters computed again', 15],
  keysForgotten: ['users forgotten because a timer kept throwing', 10],
  keysForgottenReplayed: ['epochs with such users computed again', 1],
  rowsKilled: ['rows given up after they had killed processes', 1],
  rowsRestored: ['on Kafka: rows of state read back from changelogs', 100],
  fencedCommits: ['commits refused because of another owner', 3],
  otherCodeRefused: ['partitions that refused other results', 10],
  layoutsChanged: ['processes that went on with another layout of the state', 5],
  staleSessions: ['sessions in the last state that were stored under another layout', 4],
  otherCodeFollowed: ['partitions behind their last epoch that another version followed', 10],
  idleAdvances: ['epochs without rows that moved idle actors', 300],
  filesReleased: ['files of the log deleted', 1000],
  insertsRepeated: ['inserts sent again under their token', 200],
  readBacks: ['batches read back', 400],
  rowsWrittenAfterReadBack: ['rows found missing by a read-back, and written', 400],
  sinkWaits: ['sinks and partitions that waited for a full disk or an outage, and went on', 60],
  sinksOutlasted: ['sinks that an outage outlasted: they waited, and began again with a read-back', 10],
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
