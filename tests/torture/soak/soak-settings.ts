// How a process is set for a soak: everything that is kept is kept for minutes, so that an hour has several lives of it.
const MINUTE_MS = 60_000

/** Rows of events, sessions and incidents live that long (short-lived.ts). */
export const ROWS_MINUTES = 6
export const CORRECTION_MS = 10 * MINUTE_MS
export const ALLOWED_DISORDER_MS = 30_000

/** `path=value`, for --set. */
export const SOAK_SET: readonly string[] = [
  `clickstream.correctionMs=${CORRECTION_MS}`,
  `clickstream.allowedDisorderMs=${ALLOWED_DISORDER_MS}`,
  // Sessions end soon after a visit, and what is known of one goes when it cannot be corrected any more.
  'clickstream.gapMs=60000',
  'clickstream.abandonMs=120000',
  'clickstream.snapshotMs=60000',
  // A task needs its input from its last checkpoint on: at 2,000 events/s over 8 partitions one begins after about a minute.
  'engine.checkpointBytes=4MB',
  'log.journalBytes=8MB',
  'log.retentionMs=300000',
  // Days is what there is; minutes are given to the tables themselves.
  'analytics.ttlDays.events=1',
  'analytics.ttlDays.facts=1',
  'logLevel=warn',
]
