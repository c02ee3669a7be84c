// The computer of a task as it is, with what it does observed: watermarks after each epoch, slices of a size of the simulator's, evictions
// that the process dies in. Reaches into the computer's parts, as only a test may.
import assert from 'node:assert/strict'
import type { Computer, Stage } from '../../engine/lane/computer.ts'
import type { EpochComputer } from '../../engine/lane/epoch.ts'
import type { StateCache } from '../../engine/state/state-cache.ts'
import type { Observed, Watermarks } from './observed-log.ts'

export interface StageWatch {
  observed: Observed
  /** The task's name of a partition. */
  nameOf(partition: number): string
  /** A slice of a checkpoint has about this many bytes. */
  sliceBytes: number
  /** Undefined, or called after so many looks of a pass of evictions: the process dies there. */
  dieInEviction(): { afterLooks: number; die(): void } | undefined
  /** A mistake to be planted. */
  plant?(computer: Computer): void
}

/** The parts of the computer of product events. */
export const partsOf = (computer: Computer) => computer as unknown as { epochs: EpochComputer; checkpoints: StateCache }

export function observedStage(stage: Stage, watch: StageWatch): Stage {
  const { observed } = watch
  return {
    name: stage.name,
    topic: stage.topic,
    computer(scope, store) {
      const computer = stage.computer(scope, store)
      watch.plant?.(computer)
      const { epochs, checkpoints } = partsOf(computer)
      const name = watch.nameOf(scope.partition)
      /** Without those of which no row has come yet: rows are routed that a later epoch takes. */
      const watermarks = (): Watermarks =>
        new Map(
          epochs.actors.list.flatMap(({ org, product, watermark }) => (watermark > -Infinity ? [[`${org} ${product}`, watermark]] : [])),
        )
      const { header } = store
      observed.counts[header ? 'restoresFromCheckpoint' : 'restoresFromNothing']++
      if (header) {
        const known = observed.watermarksAt(name, header.epoch)
        observed.check('watermark-never-back', () => {
          if (known) assert.deepEqual(watermarks(), known, `watermarks restored from the checkpoint of epoch ${header.epoch} of ${name}`)
        })
      }
      const compute = computer.compute.bind(computer)
      computer.compute = (epoch, from, to, inputs, replay) => {
        const before = watermarks()
        const committed = epoch <= observed.of(name).length
        if (committed && (replay?.dead.size ?? 0) > 0) observed.counts.deadLettersReplayed++
        if (committed && (replay?.forgotten.length ?? 0) > 0) observed.counts.keysForgottenReplayed++
        const computed = compute(epoch, from, to, inputs, replay)
        const after = watermarks()
        observed.check('watermark-never-back', () => {
          for (const [actor, watermark] of before)
            assert.ok(after.get(actor)! >= watermark, `of ${actor} in epoch ${epoch} of ${name}: ${watermark}, then ${after.get(actor)}`)
        })
        observed.hasComputed(name, computed.receipt, after)
        return computed
      }
      // However small they are: those of a simulation never get large.
      const compactTexts = epochs.state.compactTexts.bind(epochs.state)
      epochs.state.compactTexts = () => compactTexts(1)
      const slice = checkpoints.slice.bind(checkpoints)
      checkpoints.slice = (maxBytes) => {
        observed.counts.checkpointSlices++
        return slice(Math.min(maxBytes, watch.sliceBytes))
      }
      dieWhileEvicting(checkpoints, epochs, watch)
      return computer
    },
  }
}

/** Nothing is awaited in a pass of evictions: the only way to die in it is from inside. */
function dieWhileEvicting(checkpoints: StateCache, { state }: EpochComputer, watch: StageWatch): void {
  const evict = checkpoints.evict.bind(checkpoints)
  checkpoints.evict = (maxBytes, most) => {
    const death = watch.dieInEviction()
    if (!death) return evict(maxBytes, most)
    const before = checkpoints.evictions
    const bytesUsed = state.bytesUsed.bind(state)
    let looks = 0
    state.bytesUsed = () => {
      if (++looks > death.afterLooks && checkpoints.evictions > before) death.die()
      return bytesUsed()
    }
    evict(maxBytes, most)
    Reflect.deleteProperty(state, 'bytesUsed')
  }
}
