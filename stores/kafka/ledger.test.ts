// Whoever reads a ledger while its owner, or one that was fenced and does not know, deletes what it has released: the last receipt stays, and is found.
import { expect, test } from 'vitest'
import { StorageError } from '../files/storage-error.ts'
import { encodeRecord, Ledger } from './ledger.ts'

/** Offsets 0 … 9 hold receipts of epochs 1 … 10; the first fetch of what was there finds all before `cut` deleted. */
function beingCut(cut: number) {
  let start = 0
  const cluster = {
    bounds: async () => ({ start, end: 10 }),
    async fetch({ from }: { from: number }) {
      start = cut
      if (from < start) throw new StorageError('LOG_TRIMMED', 'deleted', '')
      let offset = from
      const record = () => {
        const epoch = ++offset
        return epoch > 10
          ? undefined
          : { offset: epoch - 1, key: null, value: encodeRecord({ is: 'receipt', receipt: { epoch, to: epoch } }) }
      }
      return { record, after: 10 }
    },
  }
  return new Ledger({ cluster: cluster as never, written: cluster as never, at: { topic: 'receipts', partition: 0 } })
}

test.each([1, 5, 9])('cut at %i, it begins there', async (cut) => {
  const claimed = beingCut(cut)
  await claimed.load()
  expect(claimed.last).toEqual({ epoch: 10, to: 10 })
  expect(claimed.position).toBe(10)
  expect(await beingCut(cut).look()).toEqual({ epoch: 10, to: 10 })
})
