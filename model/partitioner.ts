// Which partition an event belongs to: Kafka's default partitioner over the key `orgId:productId`. Owns a table of the actors that were seen, by the
// bytes of both, so that the hash is computed once for each of them. Never: who the event's user is.
import { kafkaPartition } from './hash.ts'

interface KnownActor {
  org: Uint8Array
  product: Uint8Array
  partition: number
}

/** A power of two. Two actors that meet in one place cost hashing again, nothing else. */
const KNOWN_ACTORS = 1024
const COLON = 58

export class Partitioner {
  readonly #partitions: number
  readonly #known: (KnownActor | undefined)[] = new Array(KNOWN_ACTORS).fill(undefined)

  constructor(partitions: number) {
    this.#partitions = partitions
  }

  /** `place`: any hash of both. */
  of(
    orgBytes: Uint8Array,
    orgPos: number,
    orgLength: number,
    productBytes: Uint8Array,
    productPos: number,
    productLength: number,
    place: number,
  ): number {
    const at = place & (KNOWN_ACTORS - 1)
    const known = this.#known[at]
    if (
      known !== undefined &&
      isSame(known.org, orgBytes, orgPos, orgLength) &&
      isSame(known.product, productBytes, productPos, productLength)
    )
      return known.partition
    const org = orgBytes.slice(orgPos, orgPos + orgLength)
    const product = productBytes.slice(productPos, productPos + productLength)
    const partition = kafkaPartition(Uint8Array.of(...org, COLON, ...product), this.#partitions)
    this.#known[at] = { org, product, partition }
    return partition
  }
}

function isSame(known: Uint8Array, bytes: Uint8Array, pos: number, length: number): boolean {
  if (known.length !== length) return false
  for (let i = 0; i < length; i++) if (known[i] !== bytes[pos + i]) return false
  return true
}
