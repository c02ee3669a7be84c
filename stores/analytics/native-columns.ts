// Columns of ClickHouse's Native format, filled value by value or straight from the bytes of records, and used again for the next block.
//
// Owns: how each type is laid out. Never: which columns a table has (tables.ts), names and types in the block's head (native-block.ts).
import { hash32 } from '../../model/hash.ts'
import { copyBytes, Growable, putVarUint } from './growable.ts'

/** A column of a block. `add` takes a value of a record (JSON data) and throws TypeError where it is not of the column's type. */
export interface NativeColumn {
  add(value: unknown): void
  reset(): void
  readonly bytes: number
  /** The column's data for `rows` rows, behind the bytes that its type begins a block with. Valid until reset. */
  finish(out: Uint8Array[]): void
}

const misfit = (value: unknown, type: string) => new TypeError(`${JSON.stringify(value) ?? 'an absent value'} is no ${type}`)

/** Integers of 1, 2, 4 or 8 bytes, little-endian; 8 bytes up to 2^53. `Bool` is one byte. Milliseconds are 8. */
export class IntColumn implements NativeColumn {
  readonly data = new Growable()
  readonly #width: 1 | 2 | 4 | 8
  readonly #min: number
  readonly #max: number

  constructor(width: 1 | 2 | 4 | 8, signed = false) {
    this.#width = width
    const top = width === 8 ? Number.MAX_SAFE_INTEGER : 2 ** (8 * width - (signed ? 1 : 0)) - 1
    this.#min = signed ? -top - 1 : 0
    this.#max = top
  }

  get bytes() {
    return this.data.length
  }

  add(value: unknown): void {
    const n = typeof value === 'boolean' ? Number(value) : value
    if (typeof n !== 'number' || !Number.isInteger(n) || n < this.#min || n > this.#max)
      throw misfit(value, `integer of ${this.#width} bytes`)
    this.put(n)
  }

  /** As add, unchecked. */
  put(n: number): void {
    const width = this.#width
    if (this.data.length + 8 > this.data.bytes.length) this.data.reserve(8)
    const { bytes, length } = this.data
    bytes[length] = n
    if (width > 1) bytes[length + 1] = n >>> 8
    if (width > 2) {
      bytes[length + 2] = n >>> 16
      bytes[length + 3] = n >>> 24
    }
    if (width === 8) {
      const high = Math.floor(n / 0x1_0000_0000)
      bytes[length + 4] = high
      bytes[length + 5] = high >>> 8
      bytes[length + 6] = high >>> 16
      bytes[length + 7] = high >>> 24
    }
    this.data.length = length + width
  }

  reset(): void {
    this.data.length = 0
  }

  finish(out: Uint8Array[]): void {
    out.push(this.data.written())
  }
}

/** Times in ms as whole units of so many ms: days, seconds. */
export class TimeUnitColumn extends IntColumn {
  readonly #unitMs: number

  constructor(width: 4 | 8, unitMs: number) {
    super(width, true)
    this.#unitMs = unitMs
  }

  override add(value: unknown): void {
    super.add(typeof value === 'number' ? value / this.#unitMs : value)
  }
}

/** Floating point numbers of 8 bytes. */
export class FloatColumn implements NativeColumn {
  readonly #data = new Growable()

  get bytes() {
    return this.#data.length
  }

  add(value: unknown): void {
    if (typeof value !== 'number') throw misfit(value, 'number')
    const data = this.#data
    data.reserve(8)
    new DataView(data.bytes.buffer, data.bytes.byteOffset).setFloat64(data.length, value, true)
    data.length += 8
  }

  reset(): void {
    this.#data.length = 0
  }

  finish(out: Uint8Array[]): void {
    out.push(this.#data.written())
  }
}

export class StringColumn implements NativeColumn {
  readonly data = new Growable()

  get bytes() {
    return this.data.length
  }

  add(value: unknown): void {
    if (typeof value !== 'string') throw misfit(value, 'string')
    const room = value.length * 3
    this.data.reserve(room + 5)
    const { bytes, length } = this.data
    // The length goes before the bytes and is not known yet: they are written where the longest length would end, and moved.
    const size = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).write(value, length + 5, room)
    const start = putVarUint(bytes, length, size)
    bytes.copyWithin(start, length + 5, length + 5 + size)
    this.data.length = start + size
  }

  /** The bytes source[pos … pos + size), with `prefix` and a colon before them where prefix is not 0. */
  addBytes(source: Uint8Array, pos: number, size: number, prefix = 0): void {
    const data = this.data
    if (data.length + size + 7 > data.bytes.length) data.reserve(size + 7)
    const bytes = data.bytes
    let at = putVarUint(bytes, data.length, prefix ? size + 2 : size)
    if (prefix) {
      bytes[at++] = prefix
      bytes[at++] = 0x3a
    }
    copyBytes(bytes, at, source, pos, size)
    data.length = at + size
  }

  reset(): void {
    this.data.length = 0
  }

  finish(out: Uint8Array[]): void {
    out.push(this.data.written())
  }
}

/** LowCardinality(String): a dictionary of the block's distinct values, and an index per row of 1, 2 or 4 bytes. Index 0 is ''. */
export class LowCardinalityColumn implements NativeColumn {
  readonly #keys = new StringColumn()
  /** Per key: its hash, and where its bytes lie in #keys. */
  #hash = new Uint32Array(64)
  #pos = new Uint32Array(64)
  #size = new Uint32Array(64)
  #count = 0
  #slots = new Int32Array(256)
  #index = new Uint32Array(1024)
  #rows = 0
  readonly #encoder = new TextEncoder()

  constructor() {
    this.reset()
  }

  get bytes() {
    return this.#keys.bytes + this.#rows * 4
  }

  add(value: unknown): void {
    if (typeof value !== 'string') throw misfit(value, 'string')
    const bytes = this.#encoder.encode(value)
    this.addBytes(bytes, 0, bytes.length, 0)
  }

  /** The value source[pos … pos + size); `hash` is its hash32, or 0 where nobody has computed it. */
  addBytes(source: Uint8Array, pos: number, size: number, hash: number): void {
    this.addIndex(size === 0 ? 0 : this.#keyOf(source, pos, size, hash || hash32(source, pos, size)))
  }

  /** A row with a value that is in the dictionary already. */
  addIndex(index: number): void {
    if (this.#rows === this.#index.length) {
      const larger = new Uint32Array(this.#rows * 2)
      larger.set(this.#index)
      this.#index = larger
    }
    this.#index[this.#rows++] = index
  }

  /** Puts a value into the dictionary (once) and says its index. */
  key(value: string): number {
    const bytes = this.#encoder.encode(value)
    return bytes.length === 0 ? 0 : this.#keyOf(bytes, 0, bytes.length, hash32(bytes, 0, bytes.length))
  }

  #keyOf(source: Uint8Array, pos: number, size: number, hash: number): number {
    const mask = this.#slots.length - 1
    let slot = hash & mask
    for (let key = this.#slots[slot]; key !== 0; key = this.#slots[slot]) {
      if (this.#hash[key] === hash && this.#size[key] === size && this.#equals(this.#pos[key], source, pos, size)) return key
      slot = (slot + 1) & mask
    }
    const key = this.#count++
    if (key === this.#hash.length) this.#growKeys()
    this.#keys.addBytes(source, pos, size)
    this.#hash[key] = hash
    this.#size[key] = size
    this.#pos[key] = this.#keys.bytes - size
    this.#slots[slot] = key
    if (this.#count * 2 > this.#slots.length) this.#growSlots()
    return key
  }

  #equals(keyPos: number, source: Uint8Array, pos: number, size: number): boolean {
    const keys = this.#keys.data.bytes
    for (let i = 0; i < size; i++) if (keys[keyPos + i] !== source[pos + i]) return false
    return true
  }

  #growKeys(): void {
    const grown = (old: Uint32Array<ArrayBuffer>) => {
      const larger = new Uint32Array(old.length * 2)
      larger.set(old)
      return larger
    }
    this.#hash = grown(this.#hash)
    this.#pos = grown(this.#pos)
    this.#size = grown(this.#size)
  }

  #growSlots(): void {
    this.#slots = new Int32Array(this.#slots.length * 2)
    const mask = this.#slots.length - 1
    for (let key = 1; key < this.#count; key++) {
      let slot = this.#hash[key] & mask
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
      this.#slots[slot] = key
    }
  }

  reset(): void {
    this.#keys.reset()
    this.#keys.add('')
    this.#slots.fill(0)
    this.#hash[0] = this.#pos[0] = this.#size[0] = 0
    this.#count = 1
    this.#rows = 0
  }

  finish(out: Uint8Array[]): void {
    const code = this.#count <= 0x100 ? 0 : this.#count <= 0x1_0000 ? 1 : 2
    const index = this.#index.subarray(0, this.#rows)
    const narrow = code === 0 ? Uint8Array.from(index) : code === 1 ? Uint16Array.from(index) : index.slice()
    // Keys version 1; then the index type, with the flags "additional keys" and "update dictionary"; then both lengths.
    const head = new BigUint64Array([1n, BigInt(code | 0x600), BigInt(this.#count)])
    out.push(new Uint8Array(head.buffer), this.#keys.data.written())
    out.push(new Uint8Array(new BigUint64Array([BigInt(this.#rows)]).buffer), new Uint8Array(narrow.buffer))
  }
}

/** Nullable(T): a byte per row, 1 = null, then the values with a filler where null. */
export class NullableColumn<Values extends NativeColumn = IntColumn> implements NativeColumn {
  readonly nulls = new IntColumn(1)
  readonly values: Values
  readonly #filler: unknown

  constructor(values: Values, filler: unknown = 0) {
    this.values = values
    this.#filler = filler
  }

  get bytes() {
    return this.nulls.bytes + this.values.bytes
  }

  add(value: unknown): void {
    const isNull = value === null || value === undefined
    this.values.add(isNull ? this.#filler : value)
    this.nulls.put(isNull ? 1 : 0)
  }

  /** As add, unchecked. */
  put(this: NullableColumn, value: number, isNull: boolean): void {
    this.nulls.put(isNull ? 1 : 0)
    this.values.put(isNull ? 0 : value)
  }

  reset(): void {
    this.nulls.reset()
    this.values.reset()
  }

  finish(out: Uint8Array[]): void {
    this.nulls.finish(out)
    this.values.finish(out)
  }
}

/** Array(T), and Array(Tuple(…)) with a column per element: the end of each row's items, then the items. */
export class ArrayColumn implements NativeColumn {
  readonly #ends = new IntColumn(8)
  readonly #items: readonly NativeColumn[]
  readonly #tuple: boolean
  #count = 0

  /** One column of items, or with `tuple` one per element of the tuple. */
  constructor(items: readonly NativeColumn[], tuple: boolean) {
    this.#items = items
    this.#tuple = tuple
  }

  get bytes() {
    return this.#items.reduce((sum, column) => sum + column.bytes, this.#ends.bytes)
  }

  add(value: unknown): void {
    if (!Array.isArray(value)) throw misfit(value, 'array')
    for (const item of value) {
      if (!this.#tuple) this.#items[0].add(item)
      else if (!Array.isArray(item) || item.length !== this.#items.length) throw misfit(item, `tuple of ${this.#items.length}`)
      else for (const [i, column] of this.#items.entries()) column.add(item[i])
    }
    this.#ends.put((this.#count += value.length))
  }

  reset(): void {
    this.#ends.reset()
    for (const column of this.#items) column.reset()
    this.#count = 0
  }

  finish(out: Uint8Array[]): void {
    this.#ends.finish(out)
    for (const column of this.#items) column.finish(out)
  }
}
