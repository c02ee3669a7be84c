// For commands that ask a data folder: it must be there, and is not made by asking.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config/index.ts'

/** Throws NO_DATA. */
export function requireData({ data }: Pick<Config, 'data'>): void {
  if (!existsSync(join(data, 'packmill.json'))) throw new NoDataError(data)
}

class NoDataError extends Error {
  readonly code = 'NO_DATA'
  readonly advice =
    'Choose another folder with --data, or fill this one: `packmill import FILE`, or `packmill demo` for something to look at.'
  constructor(folder: string) {
    super(`there is no data folder ${folder}`)
  }
}
