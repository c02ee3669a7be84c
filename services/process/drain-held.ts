// What is waited for when somebody wants everything processed: the partitions that are at work here. One that goes to another process meanwhile is that one's
// to finish; one that comes back is waited for again. Owns no work.
import type { LaneClient } from './lane-client.ts'
import type { Shares } from './shares.ts'

type Asked = Parameters<LaneClient['drain']>[1]

/** A partition that moves more often is not what is waited for. */
const TRIES = 5

/** Resolves when what is here has committed its input up to `ends`, and what was asked for after it. */
export async function drainHeld(
  lanes: readonly { client: LaneClient; partitions: readonly number[] }[],
  { held, shares }: { held: ReadonlySet<number>; shares?: Shares },
  ends: readonly number[],
  asked: Asked,
): Promise<void> {
  if (shares?.failure) throw shares.failure
  await Promise.all(
    lanes.map(async ({ client, partitions }) => {
      const to = partitions.filter((partition) => held.has(partition)).map((partition): [number, number] => [partition, ends[partition]])
      if (!shares) return client.drain(to, asked)
      await Promise.all(to.map((one) => drainShared(client, { held, shares }, one, asked)))
    }),
  )
  if (shares?.failure) throw shares.failure
}

async function drainShared(
  client: LaneClient,
  { held, shares }: { held: ReadonlySet<number>; shares: Shares },
  to: [partition: number, offset: number],
  asked: Asked,
): Promise<void> {
  const [partition] = to
  for (let tries = 1; ; tries++) {
    try {
      // One that is just being taken is not there yet.
      await shares.moved(partition)
      if (held.has(partition)) await client.drain([to], asked)
      return
    } catch (error) {
      const isMoving = await shares.moved(partition)
      if (!held.has(partition)) return
      if (!isMoving || tries === TRIES) throw error
    }
  }
}
