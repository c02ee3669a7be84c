// Comparing short byte strings, such as names, word by word: a loop over bytes costs three times as much.

/** Whether a[aPos … + length) and b[bPos … + length) are equal. */
export function sameBytes(a: DataView, aPos: number, b: DataView, bPos: number, length: number): boolean {
  if (length < 4) {
    for (let i = 0; i < length; i++) if (a.getUint8(aPos + i) !== b.getUint8(bPos + i)) return false
    return true
  }
  // The last word overlaps the one before: no loop over the one to three bytes that are left.
  const last = length - 4
  for (let i = 0; i < last; i += 4) if (a.getInt32(aPos + i, true) !== b.getInt32(bPos + i, true)) return false
  return a.getInt32(aPos + last, true) === b.getInt32(bPos + last, true)
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
