// A start of other code over what a killed process left: it goes on where it computes what was published, also where its state has another
// layout, and is refused where it computes something else (protocol 31, 32). It commits nothing.
import type { Scheduler } from './scheduler.ts'
import type { SeedSettings } from './seed-settings.ts'
import { TASKS_NAME } from './sim-lane.ts'
import type { SimNode } from './sim-node.ts'
import { spareFold } from './spare-fold.ts'
import { Violation, violationOf } from './violation.ts'
import type { World } from './world.ts'

/** `other results`: its watermarks are others wherever an epoch moves one. `another layout`: an operator more, of which nothing is seen outside, or
 *  that one less. */
export const OTHER_CODE = ['another version', 'other results', 'another layout'] as const
export type OtherCode = (typeof OTHER_CODE)[number]

/** Before all others, so that their state lies elsewhere. */
const SPARE = spareFold()

/** What another version would run with. */
export function otherSettings({ node }: SeedSettings, kind: OtherCode): SeedSettings['node'] {
  if (kind === 'another version') return { ...node, code: 'other', sinks: false }
  const { pipeline } = node.topology
  const changed =
    kind === 'other results'
      ? { window: { ...pipeline.window, allowedDisorderMs: pipeline.window.allowedDisorderMs + 1 } }
      : { folds: pipeline.folds.includes(SPARE) ? pipeline.folds.filter((own) => own !== SPARE) : [SPARE, ...pipeline.folds] }
  return { ...node, code: 'other', sinks: false, topology: { ...node.topology, pipeline: { ...pipeline, ...changed } } }
}

/** Opens the node, which was made with otherSettings; kills it. Throws a Violation where a partition did not refuse, or refused what it must follow. */
export async function startOtherCode(node: SimNode, kind: OtherCode, world: World, scheduler: Scheduler): Promise<void> {
  const { observed } = world
  const { counts } = observed
  observed.differing.clear()
  await scheduler.until(node.open())
  const refused = new Set<number>()
  for (const { what, error } of world.stopped.splice(0)) {
    const { code } = error as { code?: string }
    if (code !== 'UPGRADE_DIVERGED') throw violationOf(error, what)
    refused.add(Number(what.slice('partition '.length)))
    counts.otherCodeRefused++
  }
  for (const [partition, task] of node.owner.tasks.entries()) {
    const { header } = (task as unknown as { store: { header?: { epoch: number } } }).store
    const from = `from the checkpoint of epoch ${header?.epoch ?? 0}`
    const isBehind = (header?.epoch ?? 0) < observed.of(TASKS_NAME(partition)).length
    const differs = observed.differing.has(partition)
    if (kind !== 'other results' && differs)
      throw new Violation('published-epochs-restore', `partition ${partition} under ${kind} computes something else, ${from}`)
    if (differs !== refused.has(partition))
      throw new Violation('other-code-refused', `partition ${partition} ${differs ? 'goes on' : 'is refused'} under ${kind}, ${from}`)
    if (isBehind && !differs) counts.otherCodeFollowed++
  }
  node.kill()
}
