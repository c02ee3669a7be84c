// The few file operations that the journal and the checkpoint files need, as an interface: real in production
// (realFiles), torn and lost on purpose in the simulator (tests/sim/sim-files.ts). What is not synced may be lost by a crash.

export interface AppendFile {
  /** Appends all of the bytes at the end; resolves with the position where they begin. Calls are made one after the other. */
  append(bytes: readonly Uint8Array[]): Promise<number>
  /** fdatasync: what was appended before the call is durable when it resolves. More may be appended meanwhile. */
  sync(): Promise<void>
  close(): Promise<void>
}

export interface ReadFile {
  readonly size: number
  /** Reads up to target.length bytes from position; returns how many there were. Synchronous: the page cache answers. */
  readSync(target: Uint8Array, position: number): number
  close(): void
}

export interface Files {
  /** Creates the folder and its parents, durably. */
  makeFolder(path: string): Promise<void>
  /** Creates a file that must not exist; its name is durable after the first sync. */
  create(path: string): Promise<AppendFile>
  open(path: string): ReadFile
  /** Makes a file that another (dead) process left durable, name and bytes: what is read from the page cache may never have been synced. */
  sync(path: string): Promise<void>
  list(folder: string): string[]
  exists(path: string): boolean
  remove(path: string): Promise<void>
  /** The same of a large file that nobody has open: its name goes at once, its bytes bit by bit. */
  discard(path: string): Promise<void>
}
