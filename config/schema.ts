// Every setting there is: its type, its limits, what it means. The default values stand in defaults.ts, reading them is load.ts.
//
// A leaf says in `unit` what its number counts: ms and bytes may also be written as '30m' and '128MB'. A leaf with `comesWith` is known, so that
// files and environments of deployments can already name it, but this version does not act on it (embedded-only.ts).
// Plain objects, because every command begins with them: a schema library took longer to load than all else of ours.
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const MB = 1 << 20
const GB = 1 << 30

export interface Limits {
  readonly description: string
  readonly unit?: 'ms' | 'bytes'
  readonly minimum?: number
  readonly maximum?: number
  /** Of a string or of a list's items, in characters. */
  readonly minLength?: number
  /** The feature that makes it work; absent where this version acts on it. */
  readonly comesWith?: string
  /** Never printed. */
  readonly secret?: true
  /** A path of the file system: made absolute. */
  readonly isPath?: true
}

/** A setting with values of type T. */
export interface Leaf<T> extends Limits {
  readonly kind: 'integer' | 'number' | 'boolean' | 'string' | 'choice' | 'list'
  readonly choices?: readonly T[]
}

/** Settings under a name. */
export interface Group<T extends Nodes = Nodes> {
  readonly description: string
  readonly settings: T
}

export type Nodes = { readonly [name: string]: Leaf<unknown> | Group }

type Value<T> = T extends Group<infer N> ? Values<N> : T extends Leaf<infer V> ? V : never
type Values<N extends Nodes> = { readonly [K in keyof N]: Value<N[K]> }

const integer = (limits: Limits): Leaf<number> => ({ kind: 'integer', ...limits })
const ms = (minimum: number, maximum: number, description: string) => integer({ unit: 'ms', minimum, maximum, description })
const bytes = (minimum: number, maximum: number, description: string) => integer({ unit: 'bytes', minimum, maximum, description })
const count = (minimum: number, maximum: number, description: string) => integer({ minimum, maximum, description })
const weight = (description: string): Leaf<number> => ({ kind: 'number', minimum: 0, maximum: 1_000, description })
const flag = (description: string): Leaf<boolean> => ({ kind: 'boolean', description })
const text = (limits: Limits): Leaf<string> => ({ kind: 'string', ...limits })
const texts = (limits: Limits): Leaf<readonly string[]> => ({ kind: 'list', minLength: 1, ...limits })
const choice = <const T extends string>(choices: readonly T[], limits: Limits): Leaf<T> => ({ kind: 'choice', choices, ...limits })
const group = <T extends Nodes>(description: string, settings: T): Group<T> => ({ description, settings })

const weights = (description: string) =>
  group(description, {
    rageClicks: weight('a rage click'),
    deadClicks: weight('a dead click'),
    backtracks: weight('a backtrack'),
    contextSwitches: weight('a change of the area of the product'),
    tasksAbandoned: weight('an abandoned task'),
    tasksFailed: weight('a failed task'),
    errors: weight('an error'),
  })

export const configSchema = group('Packmill', {
  data: text({
    minLength: 1,
    isPath: true,
    description: 'folder of everything that is kept: log, checkpoints, state, analytics; one process at a time owns it',
  }),
  logLevel: choice(['silent', 'error', 'warn', 'info', 'debug'], { description: 'what is logged' }),
  clickstream: group('what sessions and incidents are (docs/events.md)', {
    gapMs: ms(1, 7 * DAY_MS, 'a session ends where the next event is further away than this'),
    allowedDisorderMs: ms(0, 7 * DAY_MS, 'the watermark trails the largest event time by this much'),
    idleTimeoutMs: ms(0, DAY_MS, 'an actor without events for this long has its watermark moved by processing time'),
    correctionMs: ms(0, 7 * DAY_MS, 'events this far behind the watermark still correct what was emitted; older ones are late'),
    snapshotMs: ms(0, 7 * DAY_MS, 'an open session is emitted at most once per this much event time; 0 = only on request'),
    sessionMaxMs: ms(MINUTE_MS, 31 * DAY_MS, 'a longer session is cut'),
    sessionEventsMax: count(2, 1_000_000, 'a session of more events is cut'),
    rage: group('rage clicks', {
      profile: choice(['default', 'datadog', 'posthog', 'amplitude', 'mixpanel', 'openreplay', 'sentry'], {
        description: 'whose definition counts; the named ones bring their own numbers. Of a folder with state: packmill upgrade rebuild',
      }),
      clicks: count(2, 16, 'default profile: clicks on one element that make a burst. Of a folder with state: packmill upgrade rebuild'),
      withinMs: ms(1, MINUTE_MS, 'default profile: the time that they must fall into'),
      ignore: group('elements that people click fast without anger', {
        kinds: texts({ description: 'kinds of elements: what an element begins with, such as input' }),
        texts: texts({ description: 'words in an element, such as next' }),
      }),
    }),
    backtrackMs: ms(1, 60 * MINUTE_MS, 'screens A, B, A within this time are a backtrack'),
    abandonMs: ms(1, 7 * DAY_MS, 'a task that is not completed this long after its start is abandoned'),
    deadClicks: group('clicks that nothing follows', {
      enabled: flag('whether they are looked for. Of a folder with state: packmill upgrade rebuild'),
      withinMs: ms(1, MINUTE_MS, 'an event this long after a click shows that it was not dead'),
    }),
    scores: group('what one of each signal weighs in the scores of a session; 0 = nothing', {
      frustration: weights('the frustration score: from 0 towards 1'),
      efficiency: weights('the efficiency score: from 1 towards 0'),
    }),
  }),
  engine: group('lanes, epochs, checkpoints', {
    lanes: count(0, 256, 'worker threads that process events; 0 = one per core'),
    epochMs: ms(1, MINUTE_MS, 'an epoch commits after this time when caught up'),
    epochBytes: bytes(64 << 10, 64 * MB, 'an epoch commits after this much input when behind'),
    checkpointBytes: bytes(MB, 64 * GB, 'a checkpoint begins after this much input of a partition'),
    cacheBytes: bytes(16 * MB, 256 * GB, 'memory for keyed state, all lanes together; the rest is read from disk when touched'),
    stallMs: ms(
      100,
      DAY_MS,
      'an epoch that is computed for this long is one whose operator loops: its thread is ended, its record looked for',
    ),
    restartsMax: count(1, 100_000, 'a partition whose operators end its thread this often within an hour is stopped; the others go on'),
  }),
  log: group('the log', {
    partitions: count(1, 1024, 'partitions of a topic; fixed when the data folder is made, on Kafka when the topics are'),
    journalBytes: bytes(MB, 2 * GB, 'a journal file is followed by the next when it is this large'),
    backlogBytes: bytes(
      MB,
      1024 * GB,
      'embedded: what lanes and tables have still to do may take this much of the log; beyond it imports wait, and HTTP answers 503',
    ),
    retentionMs: ms(
      MINUTE_MS,
      3650 * DAY_MS,
      'journal files older than this are deleted once nothing needs them; on Kafka: the least that topics must keep',
    ),
    retentionBytes: bytes(0, 1024 * GB, 'journal files beyond this total are deleted, oldest first, once nothing needs them; 0 = no limit'),
  }),
  sink: group('from topics into tables', {
    intervalMs: ms(1, MINUTE_MS, 'rows wait at most this long for others before they are inserted'),
    batchBytes: bytes(64 << 10, 1024 * MB, 'the largest insert'),
    fsync: flag('the analytics store flushes an insert to the disk before it counts as done'),
  }),
  analytics: group('the analytics store', {
    memoryBytes: bytes(256 * MB, 1024 * GB, 'what the embedded engine may hold in memory'),
    threads: count(0, 256, 'threads of a query; 0 = one per core'),
    ttlDays: group('rows are deleted this many days after they were received', {
      events: count(1, 36_500, 'events_raw'),
      facts: count(1, 36_500, 'fact_sessions and fact_incidents'),
    }),
    url: text({ comesWith: 'ClickHouse over HTTP', description: 'a ClickHouse server; empty = the embedded engine' }),
  }),
  kafka: group('brokers in place of the embedded log', {
    brokers: texts({
      description: 'host:port, …; empty = the embedded log',
    }),
    topicPrefix: text({ description: 'stands before the names of the topics that hold events and results' }),
    replication: integer({
      minimum: 0,
      maximum: 100,
      description: 'replicas of topics that Packmill makes; 0 = as the broker does',
    }),
    transactionMs: integer({
      unit: 'ms',
      minimum: 1_000,
      maximum: 15 * MINUTE_MS,
      description: 'an owner that says nothing for so long has its open transaction aborted: longer than any pause of the process',
    }),
    groupInstanceId: text({
      description:
        'the name of this process among those that share the partitions: it keeps them over a stop, and has them again if it is back within the session timeout; empty = a stop gives them to the others until it is back (the data folder’s own name is used)',
    }),
    sessionTimeoutMs: integer({
      unit: 'ms',
      minimum: 6_000,
      maximum: 30 * MINUTE_MS,
      description: 'a process that says nothing for so long has its partitions given to others; brokers have bounds for it',
    }),
    epochMs: ms(
      1,
      MINUTE_MS,
      'on Kafka, in place of engine.epochMs: each epoch of a partition is a transaction, and brokers that have too many are slower with each',
    ),
    drainMs: integer({
      unit: 'ms',
      minimum: 100,
      maximum: 5 * MINUTE_MS,
      description: 'a partition that goes to another process may commit what is open for so long; then it goes without that',
    }),
    sinks: flag(
      'the tables in the data folder are filled, with all partitions; false = this process only computes, and has nothing to query',
    ),
    tls: group('encryption', {
      enabled: flag('whether brokers are talked to over TLS'),
      ca: text({
        isPath: true,
        description: 'file (PEM) of who vouches for the brokers; empty = whom this machine trusts',
      }),
      cert: text({
        isPath: true,
        description: 'file (PEM) with a certificate of this client, where brokers ask for one',
      }),
      key: text({ isPath: true, description: 'file (PEM) with the key of that certificate' }),
    }),
    sasl: group('who this client is', {
      mechanism: choice(['none', 'plain', 'scram-sha-256', 'scram-sha-512'], {
        description: 'how it says so; plain shows the password to whoever listens, unless over TLS',
      }),
      username: text({ description: 'its name' }),
      password: text({ secret: true, description: 'its password' }),
    }),
  }),
  http: group('events over HTTP', {
    port: count(0, 65_535, 'where `packmill up` takes events, on this machine only; 0 = any free port'),
    apiKeys: texts({
      secret: true,
      comesWith: 'keys for HTTP',
      description: 'keys that may send events',
    }),
  }),
  service: choice(['all', 'ingest', 'process'], {
    comesWith: 'running parts of it alone',
    description: 'which part of the program this process is',
  }),
})

/** The resolved configuration. Sizes are in bytes, times in ms, `data` is an absolute path. */
export type Config = Value<typeof configSchema>
