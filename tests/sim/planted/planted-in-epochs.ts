// Planted bugs of rules 1 to 14 and 19 to 21: how epochs are computed and committed, and how checkpoints are taken.
import { h128, hash128View } from '../../../model/hash.ts'
import type { Emit, Fold } from '../../../operators/contract.ts'
import { type Inside, instead, patch } from './inside.ts'
import type { PlantedBug } from './planted.ts'

const NEWLINE = 10

/** The first two records of a read in each other's place. */
function swapped(read: Inside): Inside {
  const block = read.blocks.find(({ count }: { count: number }) => count > 1)
  if (!block) return read
  const bytes = Buffer.from(read.bytes)
  const first = bytes.indexOf(NEWLINE, block.pos) + 1
  const second = bytes.indexOf(NEWLINE, first) + 1
  Buffer.concat([read.bytes.subarray(first, second), read.bytes.subarray(block.pos, first)]).copy(bytes, block.pos)
  return { ...read, bytes }
}

const USER_FLAGS = 9
const [DIRTY, UNFINISHED, EVICTED] = [1, 16, 4]

/** Calls `visit` with each user's place of flags. */
function eachUser(state: Inside, visit: (u32: Uint32Array, at: number) => void): void {
  for (const user of state.users) visit(state.users.arena.u32, user * state.users.arena.words + USER_FLAGS)
}

export const plantedInEpochs: readonly PlantedBug[] = [
  {
    rule: 1,
    bug: 'now and then two records of a read are in each other’s place',
    make: () => {
      let reads = 0
      return {
        taskLog: (log) =>
          instead(log, () => ({
            reader: (at) =>
              instead(log.reader(at), (reader) => ({
                read: async (from, max) => (++reads % 7 ? reader.read(from, max) : swapped(await reader.read(from, max))),
              })),
          })),
      }
    },
    seed: 1,
    as: 'the-answer',
  },
  {
    rule: 2,
    bug: 'an operator counts in a variable outside its state',
    make: () => {
      let incidents = 0
      const counting = (emit: Emit): Emit => ({
        incident: (one) => emit.incident({ ...one, count: one.count + (++incidents % 40 === 0 ? 1 : 0) }),
      })
      const wrong = (fold: Fold): Fold => ({
        ...fold,
        onEvent: (state, event, emit) => fold.onEvent(state, event, counting(emit)),
        onTimer: (state, nowMs, emit) => fold.onTimer?.(state, nowMs, counting(emit)),
        onClose: (state, emit, lastMs, cut) => fold.onClose?.(state, counting(emit), lastMs, cut),
      })
      return { pipeline: (right) => ({ ...right, folds: right.folds.map((fold, at) => (at === 0 ? wrong(fold) : fold)) }) }
    },
    seed: 2,
    as: 'the-answer',
  },
  {
    rule: 3,
    bug: 'the watermark moves at the end of an epoch',
    make: () => ({
      computer(computer: Inside) {
        const late: (() => void)[] = []
        const known = new WeakSet()
        patch(computer, 'compute', (compute) => (...args) => {
          for (const actor of computer.epochs.actors.list) {
            if (known.has(actor)) continue
            known.add(actor)
            patch(
              actor,
              'advance',
              (advance) =>
                (...moved) =>
                  void late.push(() => advance(...moved)),
            )
          }
          const epoch = compute(...args)
          for (const move of late.splice(0)) move()
          return epoch
        })
      },
    }),
    seed: 1,
    as: 'the-answer',
  },
  {
    rule: 4,
    bug: 'the processing time that moved idle actors is not in the receipt',
    make: () => ({
      computer: (computer: Inside) =>
        patch(computer, 'compute', (compute) => (...args) => {
          const epoch = compute(...args)
          const { now: _, ...inputs } = epoch.receipt.inputs
          epoch.receipt.inputs = inputs
          return epoch
        }),
    }),
    seed: 1,
    as: 'published-epochs-restore',
  },
  {
    rule: 5,
    bug: 'now and then an epoch is cut before its last row has been run',
    make: () => {
      let loads = 0
      return {
        computer: (computer: Inside) =>
          patch(computer, 'load', (load) => (...args) => {
            load(...args)
            if (++loads % 20 === 0 && computer.rows > 1) computer.truncate(computer.rows - 1)
          }),
      }
    },
    seed: 1,
    as: 'the-answer',
  },
  {
    rule: 6,
    bug: 'the sum of an output depends on the order of its keys',
    make: () => ({
      computer(computer: Inside) {
        for (const output of computer.epochs.outputs.list)
          output.endKey = () => {
            hash128View(output.view, 0, output.end)
            output.sum.set(h128)
          }
      },
    }),
    seed: 11,
    as: 'published-epochs-restore',
  },
  {
    rule: 7,
    bug: 'outputs and receipt are two commits',
    make: () => ({
      taskLog: (log) =>
        instead(log, () => ({
          claim: async (...args: Inside[]) =>
            instead((await (log.claim as Inside)(...args)) as Inside, (claim: Inside) => ({
              commit: async ({ outputs, ...rest }: Inside) => {
                await claim.commit({ outputs })
                await claim.commit({ outputs: [], ...rest })
              },
            })),
        })),
    }),
    seed: 3,
    as: 'order-without-gaps',
  },
  {
    rule: 7,
    bug: 'a commit is answered before it is durable',
    make: () => ({ files: (files) => unsynced(files, '.jnl') }),
    seed: 2,
    as: 'epochs-follow',
  },
  {
    rule: 8,
    bug: 'after a commit that failed the next one is made from the same memory',
    make: () => ({
      task: (task: Inside) =>
        patch(
          task,
          'commit',
          (commit) =>
            (...args) =>
              commit(...args).catch(async (error: Inside) => {
                if (!error.retryable) throw error
                task.claim = await task.log.claim(task.name, { topic: 'events.raw', partition: task.partition }, true)
                task.committed = args[0].receipt.epoch
                task.committedTo = args[0].receipt.to
              }),
        ),
    }),
    seed: 3,
    as: 'epochs-follow',
  },
  {
    rule: 9,
    bug: 'a checkpoint names the epoch that is committed, and holds the one that is computed',
    make: () => ({
      task: (task: Inside) =>
        patch(task, 'beginCheckpoint', (begin) => () => {
          const { lastEpoch, readTo } = task
          if (task.committed > (task.store.header?.epoch ?? 0)) Object.assign(task, { lastEpoch: task.committed, readTo: task.committedTo })
          begin()
          Object.assign(task, { lastEpoch, readTo })
        }),
    }),
    seed: 1,
    as: 'watermark-never-back',
  },
  {
    rule: 10,
    bug: 'what changes after a checkpoint began leaks into it',
    make: () => ({
      computer: (computer: Inside) =>
        patch(computer.checkpoints, 'begin', (begin) => (header) => {
          begin(header)
          computer.epochs.state.freeze = () => undefined
          computer.epochs.state.isFrozen = () => false
        }),
    }),
    seed: 7,
    as: 'published-epochs-restore',
  },
  {
    rule: 11,
    bug: 'a checkpoint is finished before its epoch is durable',
    make: () => ({
      computer: ({ checkpoints }: Inside) =>
        Object.defineProperty(checkpoints, 'openEpoch', { get: () => (checkpoints.open ? 0 : undefined) }),
    }),
    seed: 23,
    as: 'published-epochs-restore',
  },
  {
    rule: 11,
    bug: 'a checkpoint file is taken for finished before it is durable',
    make: () => ({ files: (files) => unsynced(files, '.ckp') }),
    seed: 1,
    as: 'published-epochs-restore',
  },
  {
    rule: 12,
    bug: 'a key with no state is not written as deleted',
    make: () => ({
      store: (store) => instead(store, () => ({ begin: (header) => instead(store.begin(header), () => ({ delete: () => undefined })) })),
    }),
    seed: 1,
    as: 'same-state-without-faults',
  },
  {
    rule: 13,
    bug: 'a checkpoint that is given up does not give its keys back',
    make: () => ({
      computer: (computer: Inside) =>
        patch(computer.checkpoints, 'abort', (abort) => async () => {
          const { state } = computer.epochs
          const dirty = [...state.dirty]
          const { actors } = computer.checkpoints
          await abort()
          for (const actor of actors) actor.dirty = true
          state.dirty = dirty
        }),
    }),
    seed: 1,
    as: 'same-state-without-faults',
  },
  {
    rule: 14,
    bug: 'keys are evicted that no finished checkpoint holds',
    make: () => ({
      computer: ({ checkpoints, epochs: { state } }: Inside) =>
        patch(checkpoints, 'evict', (evict) => (maxBytes, looks) => {
          const before = new Map<number, number>()
          eachUser(state, (u32, at) => {
            before.set(at, u32[at])
            u32[at] &= ~(DIRTY | UNFINISHED)
          })
          evict(maxBytes, looks)
          eachUser(state, (u32, at) => {
            if ((u32[at] & EVICTED) === 0) u32[at] = before.get(at)!
          })
        }),
    }),
    seed: 2,
    as: 'published-epochs-restore',
  },
  {
    rule: 19,
    bug: 'what a turn has put out stays when it is undone',
    make: () => ({
      computer(computer: Inside) {
        computer.epochs.outputs.rollback = () => undefined
      },
    }),
    seed: 5,
    as: 'the-answer',
  },
  {
    rule: 20,
    bug: 'dead letters are not in the receipt',
    make: () => ({
      computer: (computer: Inside) =>
        patch(computer, 'compute', (compute) => (...args) => {
          const epoch = compute(...args)
          epoch.receipt.dead = []
          return epoch
        }),
    }),
    seed: 5,
    as: 'the-answer',
  },
  {
    rule: 21,
    bug: 'users that were given up are not in the receipt',
    make: () => ({
      computer: (computer: Inside) =>
        patch(computer, 'compute', (compute) => (...args) => {
          const epoch = compute(...args)
          epoch.receipt.forgotten = []
          return epoch
        }),
    }),
    seed: 9,
    as: 'the-answer',
  },
  {
    rule: 21,
    bug: 'a user whose timer keeps throwing is left as it was',
    make: () => ({
      computer: ({ epochs: { runner } }: Inside) =>
        patch(runner, 'guardUser', () => (turn, user, inputs, drafts, orphans) => {
          runner.attempts(turn, () => runner.fire.user(turn, user, inputs.snapshots, drafts, new Map(orphans)))
        }),
    }),
    seed: 9,
    as: 'accounting',
  },
]

/** Files whose syncs do nothing, of those that end so. */
function unsynced(files: Inside, ending: string): Inside {
  return instead(files, (right: Inside) => ({
    create: async (path: string) => {
      const file = await right.create(path)
      return path.endsWith(ending) ? { ...file, sync: () => Promise.resolve() } : file
    },
  }))
}
