// Everything in the process that holds bytes and could hold more: its bound, why it is that, and the test that fills it. One entry each. What is
// not here grows with what it counts, and NO_BOUND says with what.
import type { Config } from '../../config/index.ts'
import { CELLS_MAX } from '../../engine/actor/tile-sums.ts'
import { SLICE_BYTES } from '../../engine/lane/task.ts'
import { POOL_BYTES_MAX } from '../../model/buffer-pool.ts'
import { EVENT_BYTES_MAX, RECORD_BYTES_MAX } from '../../model/event.ts'
import { FRAME_BYTES_MAX } from '../../stores/log/journal-writer.ts'
import { WAITING_BYTES_MAX } from '../ingest/ingest.ts'
import { BODY_BYTES_MAX, FREE_BYTES_MAX } from '../ingest/read-body.ts'
import { BATCHES_AHEAD, FILES_MAX } from './decode-ahead.ts'
import type { Stats } from './embedded.ts'
import { BATCH_BYTES } from './line-decoder.ts'
import { REQUEST_BYTES_MAX } from './socket-server.ts'

export interface Bound {
  name: string
  bytes(config: Config): number
  /** Why it is that, and what happens at it. */
  reason: string
  /** What a running process says of it, where it does. */
  present?(stats: Stats): number
  /** File, and the name of the test that reaches it. */
  reachedBy: readonly [file: string, test: string]
}

const HTTP = 'services/ingest/http-server.test.ts'
const OWN = 'tests/bounds.test.ts'

export const BOUNDS: readonly Bound[] = [
  {
    name: 'keyed state in memory',
    bytes: ({ engine }) => engine.cacheBytes,
    reason:
      'engine.cacheBytes, of which a task takes 3 GiB at most, and what one epoch adds: when half to two thirds of it are dirty (by how much of what changes during a checkpoint is in it already; an eighth, where most was loaded to be changed) a checkpoint begins, past all of it clean keys go, or reading waits for the checkpoint',
    present: ({ tasks }) => tasks.reduce((sum, { stateBytes }) => sum + stateBytes, 0),
    reachedBy: [OWN, 'keyed state: past its bound reading waits for the checkpoint, which lets it go'],
  },
  {
    name: 'input of an epoch, per lane',
    bytes: ({ engine }) => engine.epochBytes,
    reason: 'engine.epochBytes, and at least one block: the rest of the log is read by later epochs',
    reachedBy: ['engine/log/contract.conformance.ts', '3: a read returns whole blocks, at least one, at most about maxBytes'],
  },
  {
    name: 'records from Kafka, per partition',
    bytes: ({ engine }) => 2 * engine.epochBytes,
    reason: 'one fetch of engine.epochBytes is read while the next one comes; the rest stays with the brokers',
    reachedBy: ['engine/log/contract.conformance.ts', '3: a read returns whole blocks, at least one, at most about maxBytes'],
  },
  {
    name: 'slice of a checkpoint, per partition',
    bytes: () => SLICE_BYTES,
    reason: 'what is encoded of a checkpoint before the disk or a broker has taken it: commits wait for no more',
    reachedBy: [
      'engine/lane/checkpoints.test.ts',
      'a checkpoint is written in small slices, in larger ones as more input comes and the cache is full, in large ones where somebody waits for it',
    ],
  },
  {
    name: 'record of results',
    bytes: () => RECORD_BYTES_MAX,
    reason:
      'brokers take no larger one: a user whose session would be one is given up, a record of a topology of one’s own is a dead letter',
    reachedBy: ['engine/actor/failures.test.ts', 'a session of more %s than a record may tell is given up like one that throws'],
  },
  {
    name: 'sums that one version of a session moves',
    bytes: () => 2 * CELLS_MAX,
    reason: 'each type of task has all of the way through the screens: beyond it the user is given up',
    reachedBy: ['engine/actor/failures.test.ts', 'ways through the screens, one for each type of task'],
  },
  {
    name: 'spare buffers of outputs, per lane',
    bytes: () => POOL_BYTES_MAX,
    reason: 'kept to be filled by the next epochs; what is given beyond it goes to the collector',
    reachedBy: [OWN, 'spare buffers of outputs: what is given beyond their bound is not kept'],
  },
  {
    name: 'frame of a journal',
    bytes: () => FRAME_BYTES_MAX,
    reason: 'commits that wait go into the next frame: a small one does not wait behind more than this',
    reachedBy: [OWN, 'a frame: commits beyond its bound go into the next one'],
  },
  {
    name: 'backlog in the log',
    bytes: ({ log }) => log.backlogBytes,
    reason: 'log.backlogBytes: what lanes and tables have still to do; beyond it imports wait and HTTP answers 503',
    present: ({ backlogBytes }) => backlogBytes,
    reachedBy: ['services/process/backlog.test.ts', 'a source waits at the bound, memory stays bounded'],
  },
  {
    name: 'rows of one table on their way',
    bytes: ({ sink }) => 2 * sink.batchBytes,
    reason: 'a batch of sink.batchBytes is written while the next one is filled; the rest waits in the log',
    reachedBy: ['engine/sink/sink-task.test.ts', 'behind, it writes batch after batch without a pause, each about batchBytes long'],
  },
  {
    name: 'files decoded ahead',
    bytes: () => FILES_MAX * (BATCHES_AHEAD + 1) * BATCH_BYTES,
    reason: 'so many files at once, each so many batches ahead of the one that is appended',
    reachedBy: ['services/process/decode-worker.test.ts', 'it runs ahead by so many batches'],
  },
  {
    name: 'events over HTTP that wait',
    bytes: () => WAITING_BYTES_MAX,
    reason: 'bodies under way and events that wait for a commit; beyond it the answer is 503 BUSY',
    reachedBy: [HTTP, 'that are slow: more than may wait is refused with 503'],
  },
  {
    name: 'body of an HTTP request',
    bytes: () => BODY_BYTES_MAX,
    reason: 'the largest batch, decompressed too; beyond it the answer is 413',
    reachedBy: [HTTP, 'of 1,000 events is taken, one of 1,001 is not; nor is one of 5 MB and a byte'],
  },
  {
    name: 'spare buffers of bodies',
    bytes: () => FREE_BYTES_MAX,
    reason: 'kept to be filled again; what is given beyond it goes to the collector',
    reachedBy: [OWN, 'spare buffers: what is given beyond their bound is not kept'],
  },
  {
    name: 'request of another command',
    bytes: () => REQUEST_BYTES_MAX,
    reason: 'a statement or a list of dead letters over the local socket; beyond it REQUEST_TOO_LARGE',
    reachedBy: [OWN, 'a request over the local socket: one that is larger than its bound is refused'],
  },
  {
    name: 'an event',
    bytes: () => EVENT_BYTES_MAX,
    reason: 'what is longer is rejected at the door, and a longer line is not kept while it is read',
    reachedBy: ['services/ingest/bad-input.test.ts', '64 KB and more'],
  },
]

/** What grows without a bound of its own, and with what. */
export const NO_BOUND: readonly { name: string; grows: string }[] = [
  { name: 'actors', grows: 'one small object per organisation and product of a partition' },
  { name: 'directory of users', grows: '64 bytes and the key of each user with a session that can still be corrected, in memory or not' },
  {
    name: 'strings of actors',
    grows:
      'with the different screens, elements, types of tasks and contexts of the sessions in memory; what is in none of them goes with a checkpoint',
  },
  {
    name: 'outputs of an epoch',
    grows:
      'with its input (engine.epochBytes); where open sessions are asked for (the end of an import) with these, a few hundred bytes each',
  },
  { name: 'answer to a statement', grows: 'with its rows, which are all in memory: LIMIT' },
  { name: 'index of the log', grows: '40 bytes per block that retention has kept, in every thread' },
  { name: 'table of keys of the state store', grows: 'with the keys of users whose state is kept' },
  {
    name: 'memory of the analytics engine',
    grows: 'analytics.memoryBytes bounds what it counts itself; its caches and allocator take more',
  },
]
