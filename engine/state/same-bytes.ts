// Comparing short byte strings, such as names, word by word: a loop over bytes costs three times as much.

/** Whether a[aPos … + length) and b[bPos … + length) are equal. */
export function sameBytes(a: DataView, aPos: number, b: DataView, bPos: number, length: number): boolean {
  const whole = length & ~3
  let i = 0
  for (; i < whole; i += 4) if (a.getInt32(aPos + i, true) !== b.getInt32(bPos + i, true)) return false
  for (; i < length; i++) if (a.getUint8(aPos + i) !== b.getUint8(bPos + i)) return false
  return true
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
