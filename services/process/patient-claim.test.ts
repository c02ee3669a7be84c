// A commit that fails, or seems to: what the next claim finds says which it was.
import { expect, test } from 'vitest'
import type { Claim, Log, LogReceipt } from '../../engine/log/contract.ts'
import { patientClaim } from './patient-claim.ts'

type Fate = 'done' | 'lost' | 'unanswered'
interface Receipt extends LogReceipt {
  id: string
}

/** A log of one name, whose commits meet their fates in turn; after the last all are done. */
function logOf(...fates: Fate[]) {
  const made: string[] = []
  let last: Receipt | undefined
  const claim = async () => {
    const found = last
    let isOver = false
    return {
      last: found,
      async commit({ receipt }: { receipt: Receipt }) {
        if (isOver) throw new Error('this claim is over')
        const fate = fates.shift() ?? 'done'
        isOver = fate !== 'done'
        if (fate !== 'lost') {
          made.push(receipt.id)
          last = receipt
        }
        if (fate !== 'done') throw Object.assign(new Error('no answer'), { code: 'KAFKA_UNAVAILABLE', retryable: true })
      },
      release: async () => undefined,
    } as unknown as Claim<Receipt>
  }
  return { made, log: { claim } as unknown as Log, setLast: (receipt: Receipt) => (last = receipt) }
}
const commit = (epoch: number, id: string) => ({ outputs: [], receipt: { epoch, to: epoch, id } })

test('one that was made, and whose answer was lost, is not made again', async () => {
  const { made, log } = logOf('done', 'unanswered', 'lost', 'unanswered')
  const claim = await patientClaim<Receipt>(log, 'name', { patienceMs: 60_000, pause: async () => undefined })
  for (const [i, id] of ['a', 'b', 'c', 'd'].entries()) await claim.commit(commit(i + 1, id))
  expect(made).toEqual(['a', 'b', 'c', 'd'])
})

test('whoever gives up after it goes on with the next, whether it was made or not', async () => {
  const { made, log } = logOf('unanswered', 'lost')
  const claim = await patientClaim<Receipt>(log, 'name', { patienceMs: 0 })
  await expect(claim.commit(commit(1, 'a'))).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' })
  await expect(claim.commit(commit(2, 'b'))).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' })
  await claim.commit(commit(3, 'c'))
  expect(made).toEqual(['a', 'c'])
})

test('what another has committed meanwhile is no answer', async () => {
  const { log, setLast } = logOf('lost')
  const claim = await patientClaim<Receipt>(log, 'name', { patienceMs: 0 })
  await expect(claim.commit(commit(1, 'a'))).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' })
  setLast({ epoch: 1, to: 1, id: 'theirs' })
  await expect(claim.commit(commit(1, 'a'))).rejects.toMatchObject({ code: 'FENCED', advice: expect.stringContaining('do it again') })
})
