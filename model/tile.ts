// Parts of tiles: integers to be added to cells, and their sums per cell. Which cells there are, operators say; how records are written, the engine.

/** What names a cell: texts, times in ms, lists of texts. */
export type CellValue = string | number | readonly string[]

/** Integers for one cell of the tile with this number. Only the last value of a cell may be a list. */
export interface TilePart {
  tile: number
  cell: readonly CellValue[]
  sums: number[]
}
type Level = Map<CellValue, Level | TilePart>

/** The way to the last cell of a tile: what is the same of the next one is not looked up again. */
interface Way {
  cell: readonly CellValue[]
  /** Of each value but the last, where it leads. */
  levels: Level[]
}

/** The parts summed per cell, without cells in which nothing is left. The numbers of the parts are the sums' from here on. */
export function sumCells(parts: readonly TilePart[]): TilePart[] {
  const ways: Way[] = []
  const cells: TilePart[] = []
  for (const part of parts) {
    const { sums } = firstOfCell((ways[part.tile] ??= { cell: [], levels: [new Map()] }), part)
    if (sums === part.sums) cells.push(part)
    else for (let i = 0; i < sums.length; i++) sums[i] += part.sums[i]
  }
  return cells.filter(({ sums }) => !sums.every(isZero))
}

/** Characters in the texts of a cell. */
export function charactersOf(cell: readonly CellValue[]): number {
  let sum = 0
  for (let i = 0; i < cell.length; i++) {
    const value = cell[i]
    if (typeof value === 'string') sum += value.length
    else if (typeof value === 'object') sum += charactersOf(value)
  }
  return sum
}

const isZero = (sum: number) => sum === 0

/** By value after value: one text for all of them would have to be made and hashed for each part. */
function firstOfCell(way: Way, part: TilePart): TilePart {
  const { cell } = part
  const { levels } = way
  const last = cell.length - 1
  let at = 0
  while (at < last && way.cell[at] === cell[at]) at++
  for (; at < last; at++) levels[at + 1] = levelOf(levels[at], cell[at])
  way.cell = cell
  const level = levels[last]
  const value = cell[last]
  const key = typeof value === 'object' ? listKey(value) : value
  const known = level.get(key) as TilePart | undefined
  if (known === undefined) level.set(key, part)
  return known ?? part
}

function levelOf(level: Level, key: CellValue): Level {
  let next = level.get(key) as Level | undefined
  if (next === undefined) level.set(key, (next = new Map()))
  return next
}

/** Equal for equal lists only: texts may hold what joins them, and then are written as JSON, which begins with no digit. */
const listKey = (texts: readonly string[]): string =>
  texts.some((text) => text.includes('\0')) ? JSON.stringify(texts) : `${texts.length}${texts.join('\0')}`
