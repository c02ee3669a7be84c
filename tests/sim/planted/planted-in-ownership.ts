// Planted bugs of rules 15 to 18, 22 and 31 to 34: who owns a partition, how it is recovered, and by which code.
import { S, SESSION_FLAG } from '../../../engine/state/keyed-state.ts'
import { type Inside, instead, patch } from './inside.ts'
import type { PlantedBug } from './planted.ts'

const [DIRTY, FLAGS] = [1, 9]
const POSITION_BITS = 36n

/** Claims of tasks with something of them changed. */
const claiming = (change: (claim: Inside, name: string) => Inside) => (log: Inside) =>
  instead(log, () => ({
    claim: async (name: string, ...args: Inside[]) => instead(await log.claim(name, ...args), (claim) => change(claim, name)),
  }))

export const plantedInOwnership: readonly PlantedBug[] = [
  {
    rule: 15,
    bug: 'what was committed is read before the claim',
    make: () => ({
      taskLog: (log: Inside, journal: Inside) =>
        instead(log, () => ({
          claim: async (name: string, ...args: Inside[]) => {
            journal.refresh()
            const newest = journal.index.name(name).receipts.at(-1)
            const last = newest && journal.readReceipt(newest)
            return instead(await log.claim(name, ...args), () => ({ last }))
          },
        })),
    }),
    seed: 100,
    as: 'epochs-follow',
  },
  {
    rule: 15,
    bug: 'a claim does not fence who had the name before',
    make: () => ({
      journal({ view }: Inside) {
        view.enterCommit = () => true
        view.leaveCommit = () => undefined
      },
    }),
    seed: 12,
    as: 'fenced-never-publishes',
  },
  {
    rule: 16,
    bug: 'keys that a recomputation changed are not dirty',
    make: () => ({
      task: (task: Inside) =>
        patch(task, 'recover', (recover) => async (...args) => {
          await recover(...args)
          const { state } = task.computer.epochs
          for (const user of state.dirty.splice(0)) state.users.arena.u32[user * state.users.arena.words + FLAGS] &= ~DIRTY
        }),
    }),
    seed: 1,
    as: 'same-state-without-faults',
  },
  {
    rule: 18,
    bug: 'a late write of an earlier owner lands in the journal',
    make: () => ({
      journal({ view }: Inside) {
        view.publish = (writer: number, _: unknown, to: { seq: number; position: number }) => {
          Atomics.store(view.cells, writer, (BigInt(to.seq) << POSITION_BITS) | BigInt(to.position))
          view.wake()
          return true
        }
      },
    }),
    seed: 12,
    as: 'epochs-follow',
  },
  {
    rule: 22,
    bug: 'claims are counted in memory',
    make: () => ({ taskLog: claiming(() => ({ claimsSinceCommit: 1 })) }),
    seed: 13,
    as: 'lag-to-zero',
  },
  {
    rule: 23,
    bug: 'input goes once it is committed, before a checkpoint holds it',
    make: () => ({
      taskLog: claiming((claim) => ({
        commit: (one: Inside) =>
          claim.commit(one.receipt ? { ...one, release: { receiptsThrough: one.receipt.epoch - 1, inputBefore: one.receipt.from } } : one),
      })),
    }),
    seed: 1,
    as: 'published-epochs-restore',
  },
  {
    rule: 31,
    bug: 'a version goes on from what another one published otherwise',
    make: () => ({
      task(task: Inside) {
        task.options = { ...task.options, acceptFrom: 0 }
      },
    }),
    seed: 3,
    as: 'other-code-refused',
  },
  {
    rule: 32,
    bug: 'operators’ state of another layout is read as it lies there',
    make: () => ({
      computer: ({ checkpoints: { codec } }: Inside) =>
        patch(codec, 'decode', (decode) => (user: number, value: Uint8Array, symbols: Inside) => {
          const bytes = Buffer.from(value)
          bytes[1] = codec.layouts.own
          decode(user, new Uint8Array(bytes), symbols)
        }),
    }),
    seed: 11,
    as: 'other-code-refused',
  },
  {
    rule: 32,
    bug: 'sessions of another layout are gone on with, and not folded anew',
    make: () => ({
      computer: ({ checkpoints: { codec }, epochs: { state } }: Inside) =>
        patch(codec, 'decode', (decode) => (user: number, ...more: Inside[]) => {
          decode(user, ...more)
          for (const session of state.listSessions(user, []))
            state.sessions.u32[session * state.sessions.words + S.FLAGS] &= ~SESSION_FLAG.STALE
        }),
    }),
    seed: 36,
    as: 'the-answer',
  },
  {
    rule: 34,
    bug: 'a user’s events go to more than one partition',
    make: () => ({ partition: ({ eventId }) => eventId.length % 2 }),
    seed: 1,
    as: 'the-answer',
  },
]
