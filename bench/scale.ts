// Does an event cost more where there are more users, organisations or partitions?
import type { CrowdShape } from './harness/crowd.ts'
import { inChild } from './harness/in-child.ts'
import type { LaneAnswer } from './harness/lane-once.ts'
import { median } from './harness/median.ts'
import type { Figure, Question } from './harness/report.ts'
import type { ScaleOrder } from './harness/run-scale.ts'
import { crowdInput, roundFolder } from './harness/workload.ts'

const AXES = ['users', 'orgs', 'partitions'] as const
type Axis = (typeof AXES)[number]
/** What the other two are while one is varied. Everybody comes ten times or more, so that where the unmeasured part ends means little. */
const BASE: Record<Axis, number> = { users: 100_000, orgs: 100, partitions: 8 }
const QUICK_BASE: Record<Axis, number> = { users: 10_000, orgs: 100, partitions: 8 }
const POINTS: Record<Axis, number[]> = {
  users: [1_000, 10_000, 100_000, 1_000_000, 10_000_000],
  orgs: [10, 100, 1_000, 10_000],
  partitions: [1, 2, 4, 8, 16],
}
const QUICK_POINTS: Record<Axis, number[]> = { users: [1_000, 10_000, 20_000], orgs: [10, 100, 1_000], partitions: [1, 8, 16] }
const EVENTS = 2_000_000
const QUICK_EVENTS = 400_000
/** Not measured, for the compiler: this share of the events, which are as the others. */
const RUN_IN = 0.4
/** Of all bytes: that of every partition on average. Where a few partitions have most of the input, they have most of them, and no point has none. */
const CHECKPOINTS = 4
const ROUNDS = 3

export const scale: Question = {
  name: 'scale',
  asks: 'CPU per event from 10³ to 10⁷ users, 10 to 10,000 organisations, 1 to 16 partitions',
  async run({ quick, folder, note }) {
    const base = quick ? QUICK_BASE : BASE
    const points = quick ? QUICK_POINTS : POINTS
    const rounds = quick ? 1 : ROUNDS
    const least = quick ? QUICK_EVENTS : EVENTS
    note(
      `users ${points.users.join(' ')}, organisations ${points.orgs.join(' ')}, partitions ${points.partitions.join(' ')}; ${least.toLocaleString('en-GB')} events (two of each user at least), two fifths of them unmeasured, ${rounds} rounds`,
    )
    const shapes = new Map<string, CrowdShape>()
    for (const axis of AXES)
      for (const value of points[axis]) {
        const at = { ...base, [axis]: value }
        const rounds = 2 * Math.max(1, Math.floor(least / at.users / 2))
        shapes.set(nameOf(at), { users: at.users, orgs: at.orgs, partitions: at.partitions, rounds, before: 0, returning: true })
      }
    const costs = new Map<string, number[]>(Array.from(shapes.keys(), (name) => [name, []]))
    for (let round = 1; round <= rounds; round++)
      for (const [name, shape] of shapes) {
        // It takes minutes, and has events enough to be its own median.
        if (round > 1 && shape.users > EVENTS) continue
        const input = await crowdInput(shape, note)
        const checkpointBytes = Math.round(input.bytes / CHECKPOINTS)
        const order = { folder: roundFolder(input, `${folder}/data`), shape, checkpointBytes, runIn: RUN_IN }
        const { cpuSeconds, rows, loads, checkpoints } = await inChild<ScaleOrder, LaneAnswer>('run-scale', order)
        const cost = (cpuSeconds / rows) * 1e6
        costs.get(name)!.push(cost)
        note(
          `round ${round}: ${shape.users} users, ${shape.orgs} organisations, ${shape.partitions} partitions: ${cost.toFixed(2)} µs, ${checkpoints} checkpoints, ${loads} loads`,
        )
      }
    const of = (axis: Axis, value: number) => median(costs.get(nameOf({ ...base, [axis]: value }))!)
    const along = (axis: Axis) => points[axis].map((value) => of(axis, value))
    const flatness = (list: readonly number[]) => Math.max(...list) / Math.min(...list)
    return [
      { name: 'flatness', value: flatness(AXES.flatMap(along)), unit: '× the cheapest of all, at the dearest', atMost: 1.5 },
      ...AXES.map((axis): Figure => ({ name: `${axis}-flatness`, value: flatness(along(axis)), unit: '×' })),
      ...AXES.flatMap((axis) =>
        points[axis].map((value): Figure => ({ name: `${axis}-${value}`, value: of(axis, value), unit: 'µs CPU per event' })),
      ),
    ]
  },
}

const nameOf = ({ users, orgs, partitions }: Record<Axis, number>) => `${users} ${orgs} ${partitions}`
