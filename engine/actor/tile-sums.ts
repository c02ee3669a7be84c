// Tiles: what the versions of sessions and incidents that leave in an epoch add to sums, as signed records, one per cell.
//
// A version adds its part, and the one before it is taken away by the same function (its content is parsed for that: corrections only).
// What a turn adds is a list, cut short where the turn is undone; at its end it is summed and written. A cell is an output key of its own.
import { type Piece, piece } from '../../model/json-writer.ts'
import { charactersOf, sumCells, type TilePart } from '../../model/tile.ts'
import type { AddToCell, Tile, TileIncident, TileSession } from '../../operators/contract.ts'
import type { TopicOutput } from './outputs.ts'
import type { Turn } from './turn.ts'

/** Characters in the cells of one version: of many task types and a long way through the screens each has all of that way. */
export const CELLS_MAX = 1 << 24

export class TileSums {
  private readonly tiles: readonly Tile<object>[]
  private readonly out: TopicOutput | undefined
  /** By tile: what a record begins with, and what is before each of its values. */
  private readonly keys: { head: Piece; values: Piece[] }[]
  private parts: TilePart[] = []
  private tile = 0
  private sign: 1 | -1 = 1
  private length = 0

  /** Without `out` nothing is summed. */
  constructor(tiles: readonly Tile<object>[], out: TopicOutput | undefined) {
    this.tiles = tiles
    this.out = out
    const key = (name: string) => piece(`,${JSON.stringify(name)}:`)
    this.keys = tiles.map((tile) => ({
      head: piece(`{"tile":${JSON.stringify(tile.name)}`),
      values: [...tile.cell, ...tile.sums].map(key),
    }))
  }

  /** A version of a closed session or of an incident leaves (1), or is not the last one any more (-1). */
  count(turn: Turn, row: TileSession | TileIncident, sign: 1 | -1): void {
    if (this.out === undefined) return
    this.parts = turn.tiles
    this.sign = sign
    this.length = 0
    const on = 'started_at' in row ? 'onSession' : 'onIncident'
    for (this.tile = 0; this.tile < this.tiles.length; this.tile++) this.tiles[this.tile][on]?.(row as never, this.add)
  }

  /** Takes away what published content added (one character per byte): closed sessions and incidents have, what was retracted has not. */
  take(turn: Turn, content: string | undefined): void {
    if (this.out !== undefined && content !== undefined && /^"closed":1|^"session_id"/.test(content))
      this.count(turn, JSON.parse(Buffer.from(`{${content}}`, 'latin1').toString()) as TileSession | TileIncident, -1)
  }

  /** Ends a turn, which cannot be undone any more: its parts as records. */
  write({ actor, tiles }: Turn): void {
    const { out } = this
    if (out === undefined || tiles.length === 0) return
    for (const { tile, cell, sums } of sumCells(tiles)) {
      const { head, values } = this.keys[tile]
      out.beginKey()
      out.raw(head)
      out.raw(actor.scope)
      for (let i = 0; i < values.length; i++) {
        out.raw(values[i])
        out.json(i < cell.length ? cell[i] : sums[i - cell.length])
      }
      out.byte(0x7d)
      out.endRecord()
      out.endKey()
    }
  }

  private readonly add: AddToCell = (cell, sums) => {
    // 0 − 0 is 0, and −0 would be written as such.
    if (this.sign < 0) for (let i = 0; i < sums.length; i++) sums[i] = 0 - sums[i]
    this.length += charactersOf(cell)
    if (this.length > CELLS_MAX) throw new RangeError(`its tiles take ${this.length} characters, ${CELLS_MAX} are the most`)
    this.parts.push({ tile: this.tile, cell, sums })
  }
}
