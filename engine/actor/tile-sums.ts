// Tiles: what the versions of sessions and incidents that leave in an epoch add to sums, as signed records, one per cell.
//
// TileSums owns what counts: a version adds its part, and the one before it is taken away by the same function (the content that was
// published is parsed for that; it happens to corrections only). What a turn adds is a list, cut short where the turn is undone; at its end
// it is summed per cell and written. A cell is an output key of its own: the order of cells proves nothing and is not part of the receipt.

import { type Piece, piece } from '../../model/json-writer.ts'
import type { AddToCell, CellValue, Tile, TileIncident, TileSession } from '../../operators/contract.ts'
import type { TopicOutput } from './outputs.ts'
import type { Turn } from './turn.ts'

/** What a version adds to one cell of the tile with this number. */
export interface TilePart {
  tile: number
  cell: readonly CellValue[]
  sums: number[]
}

/** Content of a closed session begins with it. */
const CLOSED_CONTENT = '"closed":1'

interface Columns {
  head: Piece
  cell: Piece[]
  sums: Piece[]
}

export class TileSums {
  private readonly tiles: readonly Tile<object>[]
  private readonly out: TopicOutput | undefined
  private readonly columns: Columns[]
  private parts: TilePart[] = []
  private tile = 0
  private sign: 1 | -1 = 1

  constructor(tiles: readonly Tile<object>[], out: TopicOutput | undefined) {
    this.tiles = tiles
    this.out = out
    const keys = (names: readonly string[]) => names.map((name) => piece(`,${JSON.stringify(name)}:`))
    this.columns = tiles.map(({ name, cell, sums }) => ({
      head: piece(`{"tile":${JSON.stringify(name)}`),
      cell: keys(cell),
      sums: keys(sums),
    }))
  }

  /** False: nothing is summed. */
  get isOn(): boolean {
    return this.out !== undefined
  }

  /** A version of a closed session leaves (1), or is not the last one any more (-1). */
  session(turn: Turn, row: TileSession, sign: 1 | -1): void {
    this.begin(turn, sign)
    for (this.tile = 0; this.tile < this.tiles.length; this.tile++) this.tiles[this.tile].onSession?.(row, this.add)
  }

  incident(turn: Turn, row: TileIncident, sign: 1 | -1): void {
    this.begin(turn, sign)
    for (this.tile = 0; this.tile < this.tiles.length; this.tile++) this.tiles[this.tile].onIncident?.(row, this.add)
  }

  /** The same for content that was published, the UTF-8 bytes one per character; open sessions and what was retracted have added nothing. */
  take(turn: Turn, kind: 'session' | 'incident', content: string): void {
    if (this.out === undefined || !content.startsWith(kind === 'session' ? CLOSED_CONTENT : '"')) return
    const row = JSON.parse(Buffer.from(`{${content}}`, 'latin1').toString()) as TileSession & TileIncident
    if (kind === 'session') this.session(turn, row, -1)
    else this.incident(turn, row, -1)
  }

  /** Ends a turn: its parts as records. */
  write({ actor, tiles }: Turn): void {
    const { out } = this
    if (out === undefined || tiles.length === 0) return
    const roots: Level[] = this.tiles.map(() => new Map())
    const cells: TilePart[] = []
    for (const part of tiles) {
      const known = sameCell(roots[part.tile], part)
      const { sums } = known
      if (known === part) cells.push(part)
      // Its numbers are its own from here on: the turn cannot be undone any more.
      else for (let i = 0; i < sums.length; i++) sums[i] += part.sums[i]
    }
    for (const { tile, cell, sums } of cells) {
      if (isZero(sums)) continue
      const columns = this.columns[tile]
      out.beginKey()
      out.raw(columns.head)
      out.raw(actor.scope)
      for (let i = 0; i < columns.cell.length; i++) {
        out.raw(columns.cell[i])
        out.json(cell[i])
      }
      for (let i = 0; i < columns.sums.length; i++) {
        out.raw(columns.sums[i])
        out.number(sums[i])
      }
      out.byte(0x7d)
      out.endRecord()
      out.endKey()
    }
  }

  private begin(turn: Turn, sign: 1 | -1): void {
    this.parts = turn.tiles
    this.sign = sign
  }

  private readonly add: AddToCell = (cell, sums) => {
    // 0 − 0 is 0, and −0 would be written as such.
    if (this.sign < 0) for (let i = 0; i < sums.length; i++) sums[i] = 0 - sums[i]
    this.parts.push({ tile: this.tile, cell, sums })
  }
}

type Level = Map<CellValue, Level | TilePart>

/** The first part of the same cell, from now on this one where there is none. By the values one after the other: a text for all of them would
 *  have to be made and hashed for each part. */
function sameCell(root: Level, part: TilePart): TilePart {
  const { cell } = part
  let level = root
  for (let i = 0; i < cell.length - 1; i++) {
    let next = level.get(cell[i]) as Level | undefined
    if (next === undefined) level.set(cell[i], (next = new Map()))
    level = next
  }
  const last = cell[cell.length - 1]
  let key: CellValue = typeof last === 'object' ? last.join('\0') : last
  let known = level.get(key) as TilePart | undefined
  // Texts may hold what joins them: such lists get another key.
  for (; known !== undefined && typeof last === 'object' && !sameTexts(last, known.cell[cell.length - 1] as readonly string[]); ) {
    key = `\0${JSON.stringify(last)}${key}`
    known = level.get(key) as TilePart | undefined
  }
  if (known !== undefined) return known
  level.set(key, part)
  return part
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

function isZero(sums: readonly number[]): boolean {
  for (let i = 0; i < sums.length; i++) if (sums[i] !== 0) return false
  return true
}
