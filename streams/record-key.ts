// A key as bytes: what its state is stored by. Keys that differ, differ there too.
//
// A key is UTF-8. Half of a surrogate pair has none (each is written as U+FFFD, and keys that differ in it would be one): a key with such a half is UTF-16.
const KEY = 0x6b
const KEY_UTF16 = 0x6a

export const storedKey = (key: string): Buffer =>
  key.isWellFormed()
    ? Buffer.concat([Buffer.of(KEY), Buffer.from(key)])
    : Buffer.concat([Buffer.of(KEY_UTF16), Buffer.from(key, 'utf16le')])

/** The key that is stored so; undefined for what is stored beside keys. */
export function keyOf(stored: Uint8Array): string | undefined {
  const [tag] = stored
  if (tag !== KEY && tag !== KEY_UTF16) return undefined
  return Buffer.from(stored.subarray(1)).toString(tag === KEY ? 'utf8' : 'utf16le')
}
