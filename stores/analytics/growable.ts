// Bytes that grow and are used again: what a column of a block is written into.

export class Growable {
  bytes: Uint8Array
  length = 0

  constructor(capacity = 1024) {
    this.bytes = new Uint8Array(capacity)
  }

  /** Room for `more` bytes behind `length`. Take `bytes` again afterwards. */
  reserve(more: number): void {
    const wanted = this.length + more
    if (wanted <= this.bytes.length) return
    const larger = new Uint8Array(Math.max(wanted, this.bytes.length * 2))
    larger.set(this.bytes.subarray(0, this.length))
    this.bytes = larger
  }

  written(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }
}

/** Writes n as a variable-length unsigned integer at `pos`; returns the position behind it (at most 5 bytes). */
export function putVarUint(bytes: Uint8Array, pos: number, n: number): number {
  while (n >= 0x80) {
    bytes[pos++] = (n & 0x7f) | 0x80
    n >>>= 7
  }
  bytes[pos++] = n
  return pos
}

/** Below this a byte loop is faster than setting one array from a view of another, which makes the view (20 ns a byte loop of 24, 55 ns the view). */
const LOOP_BYTES = 48

/** Copies source[from … from + length) to target[pos …). */
export function copyBytes(target: Uint8Array, pos: number, source: Uint8Array, from: number, length: number): void {
  if (length > LOOP_BYTES) target.set(source.subarray(from, from + length), pos)
  else for (let i = 0; i < length; i++) target[pos + i] = source[from + i]
}
