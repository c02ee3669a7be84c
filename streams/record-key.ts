// A key as bytes: what its state is stored by. Keys that differ, differ there too.
//
// A key is UTF-8. Half of a surrogate pair has none (each is written as U+FFFD, and keys that differ in it would be one): a key with such a half is UTF-16.
const KEY = 0x6b
const KEY_UTF16 = 0x6a
/** As stored. A checkpoint has none of 64 KiB: refused there, it would stop the partition, at every start again. */
const KEY_BYTES_MAX = 1 << 15

/** `key`, where a state can have it; `whose` key it is says the error. */
export function checkedKey(key: unknown, whose: string): string {
  if (typeof key !== 'string') throw new TypeError(`${whose} is ${key}; it must be a string`)
  // A unit of a text takes three bytes at most: most keys are short, and are not measured.
  if (key.length * 3 <= KEY_BYTES_MAX) return key
  const bytes = storedKey(key).length - 1
  if (bytes > KEY_BYTES_MAX)
    throw new RangeError(`${whose} has ${bytes} bytes; at most ${KEY_BYTES_MAX} are possible: take something shorter, or a hash of it`)
  return key
}

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
