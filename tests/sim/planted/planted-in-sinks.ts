// Planted bugs of rules 24 to 29: what sinks record, write and write again.
import type { SealedRows, SinkTarget } from '../../../engine/sink/contract.ts'
import { type Inside, instead } from './inside.ts'
import type { PlantedBug } from './planted.ts'

/** A target whose batches are written otherwise. */
const writing = (write: (right: SealedRows, token: string) => Promise<void>) => (target: SinkTarget) =>
  instead(target, () => ({ seal: () => instead(target.seal(), (sealed) => ({ write: (token) => write(sealed, token) })) }))

export const plantedInSinks: readonly PlantedBug[] = [
  {
    rule: 24,
    bug: 'a sink does not say what it still needs',
    make: () => ({ sinkLog: (log) => instead(log, () => ({ need: () => Promise.resolve() })) }),
    seed: 3,
    as: 'lag-to-zero',
  },
  {
    rule: 25,
    bug: 'after a crash a new range is cut instead of the recorded one',
    make: () => ({
      sinkLog: (log: Inside) =>
        instead(log, () => ({
          claim: async (...args: Inside[]) =>
            instead(await log.claim(...args), (claim: Inside) => ({ last: claim.last && { ...claim.last, pending: null } })),
        })) as Inside,
    }),
    seed: 1,
    as: 'each-row-once',
  },
  {
    rule: 25,
    bug: 'each attempt has a token of its own',
    make: () => {
      let attempts = 0
      return { target: writing((sealed, token) => sealed.write(`${token}:${++attempts}`)) }
    },
    seed: 3,
    as: 'each-row-once',
  },
  {
    rule: 26,
    bug: 'rows are written before it is durable that they will be',
    make: () => ({
      sink(sink: Inside) {
        let before: Promise<unknown> = Promise.resolve()
        sink.commit = async (change: Inside) => {
          const epoch = sink.record.epoch + 1
          const receipt = { ...sink.record, ...change, epoch, to: epoch, codeVersion: sink.options.codeVersion }
          sink.record = receipt
          const release = { receiptsThrough: epoch - 1, inputBefore: 0 }
          before = before.then(() => sink.claim.commit({ outputs: [], receipt, release })).catch(() => undefined)
        }
      },
    }),
    seed: 3,
    as: 'lag-to-zero',
  },
  {
    rule: 27,
    bug: 'what the table holds is not read back',
    make: () => ({ target: (target) => instead(target, () => ({ present: () => Promise.resolve([]) })) }),
    seed: 1,
    as: 'each-row-once',
  },
  {
    rule: 27,
    bug: 'a token is trusted however old it is',
    make: () => ({ sinkSettings: { windowMs: Number.POSITIVE_INFINITY } }),
    seed: 12,
    as: 'each-row-once',
  },
  {
    rule: 29,
    bug: 'an insert that failed is taken for done: a part of it was there',
    make: () => ({ target: writing((sealed, token) => sealed.write(token).catch(() => undefined)) }),
    seed: 1,
    as: 'each-row-once',
  },
]
