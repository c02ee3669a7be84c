// Two paths of a command line that would be written over each other.
import { statSync } from 'node:fs'
import { resolve } from 'node:path'

export class SameFileError extends Error {
  readonly code = 'SAME_FILE'
  readonly advice: string
  constructor(message: string, advice: string) {
    super(message)
    this.advice = advice
  }
}

/** Whether both are of one file, by whatever paths; `-` is what stdin comes from. */
export function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path === '-' ? '/dev/stdin' : path, { throwIfNoEntry: false }))
  if (!a || !b) return resolve(one) === resolve(other)
  return a.isFile() && a.dev === b.dev && a.ino === b.ino
}
