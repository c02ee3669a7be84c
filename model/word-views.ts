// Bytes as words, for who reads short ones by the million from memory that is filled again and again: a view of their own for each is garbage.

/** Views of all the memory that the bytes lie in, and where they are in it, in words. */
export interface WordView {
  words: Uint32Array
  bytes: Buffer
  view: DataView
  first: number
  end: number
}

export class WordViews {
  private last = viewsOf(new ArrayBuffer(0))

  /** Valid until the next call. Bytes that do not lie on words are copied first; a last word that is not whole is left out. */
  of(bytes: Uint8Array): WordView {
    const { buffer, byteOffset } = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes)
    if (this.last.bytes.buffer !== buffer) this.last = viewsOf(buffer)
    this.last.first = byteOffset >> 2
    this.last.end = (byteOffset + bytes.length) >> 2
    return this.last
  }
}

const viewsOf = (buffer: ArrayBufferLike): WordView => ({
  words: new Uint32Array(buffer, 0, buffer.byteLength >> 2),
  bytes: Buffer.from(buffer),
  view: new DataView(buffer),
  first: 0,
  end: 0,
})
