// Buffers to be filled again: one allocated for each use costs the collector more than filling it. Owns those that nobody uses.

/** What is given beyond it goes to the collector. */
export const POOL_BYTES_MAX = 32 << 20

export class BufferPool {
  private readonly free: Buffer<ArrayBuffer>[] = []
  private bytes = 0

  /** A buffer of at least `bytes`, the smallest there is; its content is whatever it was. */
  take(bytes: number): Buffer<ArrayBuffer> {
    let at = -1
    for (let i = 0; i < this.free.length; i++)
      if (this.free[i].length >= bytes && (at < 0 || this.free[i].length < this.free[at].length)) at = i
    if (at < 0) return Buffer.allocUnsafeSlow(bytes)
    const [buffer] = this.free.splice(at, 1)
    this.bytes -= buffer.length
    return buffer
  }

  /** Takes a buffer, or a part of one, back: nobody reads it any more. */
  give({ buffer }: Uint8Array): void {
    if (this.bytes + buffer.byteLength > POOL_BYTES_MAX) return
    this.bytes += buffer.byteLength
    this.free.push(Buffer.from(buffer as ArrayBuffer))
  }
}

/** Of all tasks of this thread: one computes at a time. */
export const threadBuffers = new BufferPool()
