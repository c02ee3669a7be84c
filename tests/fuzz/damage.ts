// What happens to bytes on their way to whoever decodes them, as arbitraries for fast-check: cut, flipped, overwritten, lengthened, exchanged.
import fc from 'fast-check'

export type Damage =
  | { is: 'cut'; share: number }
  | { is: 'flip'; share: number; bits: number }
  /** `bytes` from a place on, over what is there. */
  | { is: 'overwrite'; share: number; bytes: Uint8Array }
  | { is: 'append' | 'replace'; bytes: Uint8Array }

/** Where, as a share of the length; heads and ends of formats more often than their chance. */
const share = fc.oneof({ weight: 4, arbitrary: fc.nat(9999).map((n) => n / 10_000) }, { weight: 1, arbitrary: fc.constantFrom(0, 0.999) })
const foreign = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 200 }),
  fc.constantFrom(0, 1, 0x7f, 0xff).chain((byte) => fc.nat(200).map((length) => new Uint8Array(length + 1).fill(byte))),
  fc.constantFrom('{}', '[]', 'null', '{"events":[]}\n', 'PK\u0003\u0004', '\u001f\u008b\u0008').map((text) => Buffer.from(text, 'latin1')),
)

export const flipped: fc.Arbitrary<Damage> = fc.record({ is: fc.constant('flip' as const), share, bits: fc.integer({ min: 1, max: 255 }) })
export const damage: fc.Arbitrary<Damage> = fc.oneof(
  { weight: 3, arbitrary: flipped },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('cut' as const), share }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('overwrite' as const), share, bytes: foreign }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constantFrom('append' as const, 'replace' as const), bytes: foreign }) },
)

/** The damaged bytes: a copy. */
export function damaged(whole: Uint8Array, how: Damage): Buffer {
  const bytes = Buffer.from(whole)
  switch (how.is) {
    case 'cut':
      return bytes.subarray(0, Math.floor(how.share * bytes.length))
    case 'flip':
      if (bytes.length > 0) bytes[Math.floor(how.share * bytes.length)] ^= how.bits
      return bytes
    case 'overwrite':
      bytes.set(how.bytes.subarray(0, bytes.length - Math.floor(how.share * bytes.length)), Math.floor(how.share * bytes.length))
      return bytes
    case 'append':
      return Buffer.concat([bytes, how.bytes])
    case 'replace':
      return Buffer.from(how.bytes)
  }
}

/** What a decoder did: its value, or the code of its error. An error without a code of ours is thrown on: it fails the test. */
export function outcome<T>(decode: () => T): { value: T } | { code: string } {
  try {
    return { value: decode() }
  } catch (error) {
    return { code: codeOf(error) }
  }
}

/** The code of an error that says what to do. Others are thrown on. */
export function codeOf(error: unknown): string {
  const { code, advice } = error as { code?: unknown; advice?: unknown }
  if (typeof code !== 'string' || typeof advice !== 'string' || advice === '') throw error
  return code
}
