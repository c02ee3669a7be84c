// The value of every setting that nobody gave. A laptop with nothing else installed is what they are for.
import type { Config } from './schema.ts'

const MB = 1 << 20

export const defaults: Config = {
  data: './.packmill',
  logLevel: 'info',
  clickstream: {
    gapMs: 1_800_000,
    allowedDisorderMs: 60_000,
    idleTimeoutMs: 1_000,
    correctionMs: 3_600_000,
    snapshotMs: 300_000,
    sessionMaxMs: 86_400_000,
    sessionEventsMax: 10_000,
    rage: {
      profile: 'default',
      clicks: 3,
      withinMs: 1_000,
      ignore: { kinds: ['input', 'input_text', 'textarea'], texts: ['next', 'prev', '+', '−'] },
    },
    backtrackMs: 20_000,
    abandonMs: 900_000,
    deadClicks: { enabled: false, withinMs: 2_500 },
    scores: {
      frustration: {
        rageClicks: 0.8,
        deadClicks: 0.2,
        backtracks: 0.3,
        contextSwitches: 0.05,
        tasksAbandoned: 0.6,
        tasksFailed: 0.5,
        errors: 0.4,
      },
      efficiency: {
        rageClicks: 0.2,
        deadClicks: 0.1,
        backtracks: 0.3,
        contextSwitches: 0.1,
        tasksAbandoned: 0.8,
        tasksFailed: 0.6,
        errors: 0.2,
      },
    },
  },
  engine: {
    lanes: 0,
    epochMs: 20,
    epochBytes: 4 * MB,
    checkpointBytes: 128 * MB,
    cacheBytes: 384 * MB,
    stallMs: 60_000,
    restartsMax: 20,
  },
  log: { partitions: 8, journalBytes: 64 * MB, backlogBytes: 16_384 * MB, retentionMs: 7 * 86_400_000, retentionBytes: 0 },
  sink: { intervalMs: 1_000, batchBytes: 64 * MB, fsync: true },
  analytics: { memoryBytes: 2048 * MB, threads: 0, ttlDays: { events: 400, facts: 800 }, url: '' },
  kafka: {
    brokers: [],
    topicPrefix: '',
    replication: 0,
    transactionMs: 60_000,
    epochMs: 80,
    groupInstanceId: '',
    sessionTimeoutMs: 20_000,
    drainMs: 3_000,
    sinks: true,
    tls: { enabled: false, ca: '', cert: '', key: '' },
    sasl: { mechanism: 'none', username: '', password: '' },
  },
  http: { port: 3000, apiKeys: [] },
  service: 'all',
}
