/** The first position at or behind p that is no space, tab or carriage return. A newline ends a record, so it is no space here. */
export function skipSpace(bytes: Uint8Array, p: number): number {
  while (bytes[p] === 32 || bytes[p] === 9 || bytes[p] === 13) p++
  return p
}
