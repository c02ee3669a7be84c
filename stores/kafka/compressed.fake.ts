// Compressed bytes of every shape that lz4 and snappy have, from a list of elements, with what they come to: for tests of what undoes them.
import fc from 'fast-check'

/** Literals, or a copy from some share of what is there. */
export type Element = { literals: Buffer } | { share: number; length: number }

/** Literals first: before them there is nothing to copy. */
export const anyElements: fc.Arbitrary<Element[]> = fc
  .tuple(
    bytesOf(1, 40),
    fc.array(
      fc.oneof(
        bytesOf(1, 20),
        bytesOf(50, 700),
        fc.record({
          share: fc.double({ min: 0, max: 1, noNaN: true }),
          length: fc.oneof(fc.integer({ min: 4, max: 30 }), fc.integer({ min: 4, max: 2000 })),
        }),
      ),
      { maxLength: 30 },
    ),
  )
  .map(([first, rest]) => [first, ...rest])

function bytesOf(minLength: number, maxLength: number): fc.Arbitrary<Element> {
  return fc.uint8Array({ minLength, maxLength }).map((bytes) => ({ literals: Buffer.from(bytes) }))
}

interface Steps {
  literal(bytes: Buffer): void
  copy(distance: number, length: number): void
}

/** Walks through them; returns what they come to. `farthest`: a copy's distance at most; of what begins before `start` none is a copy. */
function walk(elements: readonly Element[], steps: Steps, farthest: number, before: readonly number[] = []): number[] {
  const out = [...before]
  for (const element of elements) {
    if ('literals' in element) {
      steps.literal(element.literals)
      out.push(...element.literals)
      continue
    }
    const { share, length } = element
    const distance = 1 + Math.floor(share * (Math.min(out.length, farthest) - 1))
    steps.copy(distance, length)
    for (let i = 0; i < length; i++) out.push(out[out.length - distance])
  }
  return out.slice(before.length)
}

const word = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

export interface Lz4Flags {
  isLinked: boolean
  hasSize: boolean
  hasChecksums: boolean
  /** Which blocks are not compressed: every so many. */
  plainEvery: number
}

export function lz4Of(
  blocks: readonly (readonly Element[])[],
  { isLinked, hasSize, hasChecksums, plainEvery }: Lz4Flags,
): { bytes: Buffer; whole: Buffer } {
  const parts: Buffer[] = []
  const whole: number[] = []
  for (const [i, elements] of blocks.entries()) {
    const sequences: Buffer[] = []
    let literals = Buffer.alloc(0)
    const end = (copy?: { distance: number; length: number }) => {
      const [own, further] = [literals.length, copy ? copy.length - 4 : 0]
      sequences.push(Buffer.of((Math.min(15, own) << 4) | Math.min(15, further)), more(own), literals)
      if (copy) sequences.push(Buffer.of(copy.distance & 255, copy.distance >> 8), more(further))
      literals = Buffer.alloc(0)
    }
    const out = walk(
      elements,
      {
        literal: (bytes) => {
          literals = Buffer.concat([literals, bytes])
        },
        copy: (distance, length) => end({ distance, length }),
      },
      65_535,
      isLinked ? whole : [],
    )
    end()
    whole.push(...out)
    const isPlain = i % plainEvery === plainEvery - 1
    const block = isPlain ? Buffer.from(out) : Buffer.concat(sequences)
    parts.push(word((block.length | (isPlain ? 0x80000000 : 0)) >>> 0), block)
    if (hasChecksums) parts.push(word(1))
  }
  const flags = 0x40 | (isLinked ? 0 : 0x20) | (hasChecksums ? 0x14 : 0) | (hasSize ? 8 : 0)
  const size = hasSize ? Buffer.concat([word(whole.length), word(0)]) : Buffer.alloc(0)
  const head = [word(0x184d2204), Buffer.of(flags, 0x70), size, Buffer.of(0)]
  const foot = hasChecksums ? [word(0), word(1)] : [word(0)]
  return { bytes: Buffer.concat([...head, ...parts, ...foot]), whole: Buffer.from(whole) }
}

/** What a length of 15 and more has behind its half byte. */
function more(length: number): Buffer {
  if (length < 15) return Buffer.alloc(0)
  const rest = length - 15
  return Buffer.concat([Buffer.alloc(Math.floor(rest / 255), 255), Buffer.of(rest % 255)])
}

/** A raw block of snappy. */
export function snappyOf(elements: readonly Element[]): { bytes: Buffer; whole: Buffer } {
  const parts: Buffer[] = []
  const whole = walk(
    elements,
    {
      literal: (bytes) => {
        const length = bytes.length - 1
        const size = length < 60 ? 0 : length < 256 ? 1 : 2
        const extra = Buffer.alloc(size)
        if (size > 0) extra.writeUIntLE(length, 0, size)
        parts.push(Buffer.of((size === 0 ? length : 59 + size) << 2), extra, bytes)
      },
      copy: (distance, length) => {
        for (let left = length; left > 0; ) {
          const part = Math.min(left, 64)
          left -= part
          if (part >= 4 && part <= 11 && distance < 2048)
            parts.push(Buffer.of(((distance >> 8) << 5) | ((part - 4) << 2) | 1, distance & 255))
          else if (distance < 65_536 && part % 2 === 0) parts.push(Buffer.of(((part - 1) << 2) | 2, distance & 255, distance >> 8))
          else parts.push(Buffer.of(((part - 1) << 2) | 3), word(distance))
        }
      },
    },
    Number.POSITIVE_INFINITY,
  )
  const length: number[] = []
  let rest = whole.length
  for (; rest > 127; rest >>= 7) length.push((rest & 127) | 128)
  length.push(rest)
  return { bytes: Buffer.concat([Buffer.from(length), ...parts]), whole: Buffer.from(whole) }
}

export const XERIAL = Buffer.from('\x82SNAPPY\0\0\0\0\x01\0\0\0\x01', 'latin1')

/** As Java's producers write it. */
export function xerialOf(blocks: readonly Buffer[]): Buffer {
  const parts = blocks.flatMap((block) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(block.length)
    return [length, block]
  })
  return Buffer.concat([XERIAL, ...parts])
}
