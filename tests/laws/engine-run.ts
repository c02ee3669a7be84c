// One task's memory over a log that is given as a list: computes epochs, takes checkpoints, and comes back from a store. No log, no clock.
import type { Epoch } from '../../engine/lane/computer.ts'
import { EpochComputer } from '../../engine/lane/epoch.ts'
import type { EpochInputs, Receipt } from '../../engine/lane/receipt.ts'
import { StateCache } from '../../engine/state/state-cache.ts'
import type { StateStore } from '../../engine/state/store.ts'
import type { SessionPipeline } from '../../engine/topology/topology.ts'
import type { WireEvent } from '../../model/event.ts'
import { HASH_SLACK } from '../../model/hash.ts'
import { newBatch, resetBatch, scanBlock } from '../../model/scan.ts'

/** What one epoch reads: the rows from ≤ offset < to of the log, and its inputs. */
export interface EpochPlan {
  epoch: number
  from: number
  to: number
  inputs: EpochInputs
}

/** Epochs over a log of `length` rows; the last one has no row and asks for snapshots (and the close). */
export function planEpochs(length: number, rows: (epoch: number) => number, close = false): EpochPlan[] {
  const plans: EpochPlan[] = []
  for (let from = 0; from < length; ) {
    const to = Math.min(length, from + rows(plans.length + 1))
    plans.push({ epoch: plans.length + 1, from, to, inputs: {} })
    from = to
  }
  plans.push({ epoch: plans.length + 1, from: length, to: length, inputs: close ? { snapshots: true, close: true } : { snapshots: true } })
  return plans
}

export class EngineRun {
  readonly computer: EpochComputer
  readonly cache: StateCache
  private readonly events: readonly WireEvent[]
  private readonly batch = newBatch()

  /** Comes back from what the store holds. */
  constructor(pipeline: SessionPipeline, events: readonly WireEvent[], store: StateStore) {
    this.events = events
    this.computer = new EpochComputer(pipeline, { lineage: 'law', code: 'law', partition: 0 })
    this.cache = new StateCache(this.computer.state, store, this.computer.actors.list, pipeline.window.correctionMs)
    this.cache.restore((org, product) => this.computer.actor(org, product))
    const { header } = store
    this.computer.restored((header?.claimedAt as number | undefined) ?? 0, (header?.invalid as number | undefined) ?? 0)
  }

  /** Computes the epoch; with its receipt, again as a recovery does. */
  compute({ epoch, from, to, inputs }: EpochPlan, receipt?: Receipt): Epoch {
    const lines = this.events.slice(from, to).map((event) => `${JSON.stringify(event)}\n`)
    const bytes = Buffer.from(lines.join('') + ' '.repeat(HASH_SLACK))
    resetBatch(this.batch, bytes, bytes.length - HASH_SLACK)
    if (to > from) scanBlock(this.batch, 0, bytes.length - HASH_SLACK, from)
    this.computer.route(this.batch, 0)
    const replay = receipt && { dead: new Set(receipt.dead), forgotten: receipt.forgotten }
    return this.computer.compute(epoch, from, to, this.batch, inputs, replay)
  }

  /** Begins a checkpoint of the epoch that was computed last. */
  begin({ epoch, to }: EpochPlan): void {
    this.cache.begin({ epoch, to, ...this.computer.header })
  }

  async checkpoint(plan: EpochPlan): Promise<void> {
    this.begin(plan)
    while (!(await this.cache.slice(1 << 20)));
    await this.cache.finish()
  }
}

/** What two runs must agree in: the receipt, and the records of each topic without their order (keys may be written in any order). */
export function essence({ receipt, outputs }: Epoch): { receipt: Receipt; records: string[] } {
  const records = outputs.flatMap(({ topic, bytes }) =>
    Buffer.from(bytes)
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => `${topic} ${line}`),
  )
  return { receipt, records: records.sort() }
}
