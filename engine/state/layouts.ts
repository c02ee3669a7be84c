// Layouts: what the bytes of a stored user mean. Each value says by number which one it has; a checkpoint's header lists them (protocol 32).
//
// A value of another layout is read without its operators' fields: its sessions are folded again from their kept events at the next touch.
// So every layout reads every other one, older or newer, and no store is written anew. docs/decisions/0014 says why there is no migrate.
import type { Kept } from './kept.ts'
import type { KeyedState } from './keyed-state.ts'

/** How a stored user is put together (user-codec.ts); no version reads another one. */
export const STATE_FORMAT = 6

export interface Layout {
  /** What must be equal for stored bytes to mean the same. */
  text: string
  /** Words of a session's record. */
  sessionWords: number
  /** Where a kept event has its declared fields. */
  fields: Kept['words']
}

export class Layouts {
  readonly list: readonly Layout[]
  /** The number of the one that is written. */
  readonly own: number

  /** `listed`: those in the header of the store's newest checkpoint, where it lists them. */
  constructor({ kept, folds, sessions }: KeyedState, listed: unknown) {
    const stored = Array.isArray(listed) ? (listed as Layout[]) : []
    const operators = folds.map(({ fold, layout }) => `${fold.name}@${fold.stateVersion}(${layout.signature})`)
    const text = [`stored@${STATE_FORMAT}`, kept.signature, ...operators].join(' ')
    const known = stored.findIndex((layout) => layout.text === text)
    this.own = known < 0 ? stored.length : known
    this.list = known < 0 ? [...stored, { text, sessionWords: sessions.words, fields: kept.words }] : stored
  }

  get text(): string {
    return this.list[this.own].text
  }

  /** Whether values under a checkpoint of this layout can be read: of one that lists none, all values have its own. */
  reads(text: string): boolean {
    return text === this.text || (this.list.some((layout) => layout.text === text) && text.startsWith(`stored@${STATE_FORMAT} `))
  }
}
