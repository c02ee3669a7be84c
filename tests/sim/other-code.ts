// A start of another version, or of one whose state has another layout, over what a killed process left: epochs that must be computed again
// must stop it, and so must state of another layout (protocol 31, 32). It commits nothing.
import { fold } from '../../operators/contract.ts'
import type { Scheduler } from './scheduler.ts'
import type { SeedSettings } from './seed-settings.ts'
import { TASKS_NAME } from './sim-lane.ts'
import type { SimNode } from './sim-node.ts'
import { Violation, violationOf } from './violation.ts'
import type { World } from './world.ts'

const another = fold({ name: 'another', stateVersion: 1, state: { clicks: 'u32' }, reads: [], onEvent: (state) => void state.clicks++ })

export type OtherCode = 'another version' | 'another layout'

/** What another version would run with. */
export function otherSettings({ node }: SeedSettings, kind: OtherCode): SeedSettings['node'] {
  if (kind === 'another version') return { ...node, code: 'other', sinks: false }
  const { pipeline } = node.topology
  return { ...node, sinks: false, topology: { ...node.topology, pipeline: { ...pipeline, folds: [...pipeline.folds, another as never] } } }
}

/** Opens the node, which was made with otherSettings; kills it. Throws a Violation where a partition did not refuse. */
export async function startOtherCode(node: SimNode, kind: OtherCode, world: World, scheduler: Scheduler): Promise<void> {
  const { counts } = world.observed
  await scheduler.until(node.open())
  const refused = new Set<number>()
  for (const { what, error } of world.stopped.splice(0)) {
    if ((error as { code?: string }).code !== 'CODE_CHANGED') throw violationOf(error, what)
    refused.add(Number(what.slice('partition '.length)))
    counts.otherCodeRefused++
  }
  for (const [partition, task] of node.owner.tasks.entries()) {
    const { header } = (task as unknown as { store: { header?: { epoch: number } } }).store
    const behind = (header?.epoch ?? 0) < world.observed.of(TASKS_NAME(partition)).length
    const mustRefuse = kind === 'another version' ? behind : header !== undefined
    if (mustRefuse && !refused.has(partition))
      throw new Violation(
        'other-code-refused',
        `partition ${partition} goes on under ${kind}, from the checkpoint of epoch ${header?.epoch ?? 0}`,
      )
  }
  node.kill()
}
