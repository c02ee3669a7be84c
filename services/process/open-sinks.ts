// What fills the tables of a process, and answers who asks them: the sinks' thread; nothing where it fills none (kafka.sinks: false), as loading the analytics
// engine takes a second of each start. Then whoever asks is told who has tables, and whoever waits for them waits for nothing.
import { EngineError } from '../../engine/errors.ts'
import type { Notice } from './embedded.ts'
import { SinksClient } from './sinks-client.ts'
import type { SinksSetup } from './sinks-protocol.ts'

export type Sinks = Pick<SinksClient, 'opened' | 'ready' | 'working' | 'query' | 'queryText' | 'drain' | 'stats' | 'stop'>

/** Without a setup: no tables. */
export function openSinks(setup: SinksSetup | undefined, onNotice: (notice: Notice) => void): Sinks {
  if (!setup) return none
  return new SinksClient(setup, {
    onMigrating: (name) => onNotice({ type: 'migrating', name }),
    onSinkFailed: (table, error) => onNotice({ type: 'sink-failed', table, error }),
    onSinkWaiting: (table, error) => onNotice({ type: 'sink-waiting', table, error }),
    onSinkResumed: (table) => onNotice({ type: 'sink-resumed', table }),
    onSinkStopped: (table, error) => onNotice({ type: 'sink-stopped', table, error }),
  })
}

/** What waits for them to end, in words. */
export const tablesOf = ({ working }: Sinks): string => (working.length > 0 ? `the tables ${working.join(', ')}` : 'the analytics store')

const none: Sinks = {
  opened: Promise.resolve(),
  ready: Promise.resolve(),
  working: [],
  query: () => Promise.reject(noTables()),
  queryText: () => Promise.reject(noTables()),
  drain: () => Promise.resolve(),
  stats: () => Promise.resolve([]),
  stop: () => Promise.resolve(),
}

const noTables = () =>
  new EngineError(
    'NO_TABLES',
    'this process fills no tables (kafka.sinks is false)',
    'Ask one that fills them, in its data folder (--data).',
  )
