// Goes through the records of one batch after the other without making an object of any: a record is where its key and value are. Owns the record's form.
//
// 1. What does not lie inside its record, and what no record is, is damage: an error, never a shorter record.
import { damagedRecords, type RecordBatch } from './record-batch.ts'

export class RecordWalk {
  /** The record's, after `next`: in `bytes`, of length −1 where it has none. */
  keyPos = 0
  keyLength = -1
  valuePos = 0
  valueLength = -1
  offset = 0
  bytes: Buffer = Buffer.alloc(0)
  private readonly where: string
  private base = 0
  private last = 0
  private pos = 0
  private end = 0
  private left = 0

  /** `where`: topic and partition, for errors. */
  constructor(where: string) {
    this.where = where
  }

  /** From its first record on. */
  enter({ bytes, base, last, pos, end, count }: RecordBatch): void {
    this.bytes = bytes
    this.base = base
    this.offset = base - 1
    this.last = last
    this.pos = pos
    this.end = end
    this.left = count
  }

  /** Whether records of the batch are left. */
  get isOver(): boolean {
    return this.left === 0
  }

  /** The batch's next record; there must be one. Errors: KAFKA_RECORDS_DAMAGED. */
  next(): void {
    const length = this.varint()
    const end = this.pos + length
    if (length < 0 || end > this.end) throw this.damaged(`one of ${length} bytes where ${this.end - this.pos} are left`)
    // Its attributes, which say nothing, and its time.
    this.pos++
    this.skipVarint()
    const before = this.offset
    this.offset = this.base + this.varint()
    if (this.offset <= before || this.offset > this.last) throw this.damaged(`offset ${this.offset} between ${before} and ${this.last}`)
    this.keyLength = this.varint()
    this.keyPos = this.pos
    if (this.keyLength > 0) this.pos += this.keyLength
    this.valueLength = this.pos < end ? this.varint() : -2
    this.valuePos = this.pos
    if (this.valueLength > 0) this.pos += this.valueLength
    // A count of headers follows.
    if (this.keyLength < -1 || this.valueLength < -1 || this.pos >= end) throw this.damaged('its key or value do not lie in it')
    this.pos = end
    if (--this.left === 0 && end !== this.end) throw this.damaged(`${this.end - end} bytes follow the last one`)
  }

  /** Zigzag, of 32 bits. */
  private varint(): number {
    const { bytes } = this
    let byte = bytes[this.pos++]
    if (byte < 128) return (byte >>> 1) ^ -(byte & 1)
    let value = byte & 127
    for (let shift = 7; shift < 35; shift += 7) {
      byte = bytes[this.pos++]
      value |= (byte & 127) << shift
      if (byte < 128) return (value >>> 1) ^ -(value & 1)
    }
    throw this.damaged('a number in it is too long, or ends behind it')
  }

  private skipVarint(): void {
    while (this.bytes[this.pos++] > 127);
  }

  private damaged(what: string): Error {
    return damagedRecords(this.where, `records from offset ${this.base} on: ${what}`)
  }
}
