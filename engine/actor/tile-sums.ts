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
  sums: readonly number[]
  sign: 1 | -1
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
    const cells = new Map<string, { part: TilePart; sums: number[] }>()
    for (const part of tiles) {
      const key = keyOf(part)
      const known = cells.get(key)
      if (known === undefined) cells.set(key, { part, sums: part.sums.map((sum) => sum * part.sign) })
      else for (let i = 0; i < part.sums.length; i++) known.sums[i] += part.sums[i] * part.sign
    }
    for (const { part, sums } of cells.values()) {
      if (sums.every((sum) => sum === 0)) continue
      const columns = this.columns[part.tile]
      out.beginKey()
      out.raw(columns.head)
      out.raw(actor.scope)
      for (let i = 0; i < columns.cell.length; i++) {
        out.raw(columns.cell[i])
        out.json(part.cell[i])
      }
      for (let i = 0; i < columns.sums.length; i++) {
        out.raw(columns.sums[i])
        out.number(sums[i] + 0)
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

  private readonly add: AddToCell = (cell, sums) => void this.parts.push({ tile: this.tile, cell, sums, sign: this.sign })
}

/** Equal for the same cell only: texts are preceded by their length. */
function keyOf({ tile, cell }: TilePart): string {
  let key = `${tile}`
  for (const value of cell) {
    if (typeof value === 'number') key += ` ${value}`
    else if (typeof value === 'string') key += ` ${value.length}:${value}`
    else {
      key += ` [${value.length}`
      for (const text of value) key += ` ${text.length}:${text}`
    }
  }
  return key
}
