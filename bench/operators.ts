// What does each operator cost per event? The lane against the same lane without it.
import { inChild } from './harness/in-child.ts'
import type { LaneAnswer, LaneOrder } from './harness/lane-once.ts'
import { median } from './harness/median.ts'
import type { Question } from './harness/report.ts'
import { checkpointBytesFor, inputs, RUN_IN_EVENTS, roundFolder } from './harness/workload.ts'

const EVENTS = 2_000_000
const QUICK_EVENTS = 500_000
const ROUNDS = 5
const QUICK_ROUNDS = 1

/** Figure → the topology of harness/fewer-operators.ts that lacks it, or has it where the defaults do not. */
const WITHOUT = {
  'rage-clicks': 'withoutRageClicks',
  backtracks: 'withoutBacktracks',
  'abandoned-tasks': 'withoutAbandonedTasks',
  'dead-clicks (off by default)': 'withDeadClicks',
  'context-switches': 'withoutContextSwitches',
  'scores, with tiles': 'withoutScores',
  tiles: 'withoutTiles',
  'tasks, with tiles': 'withoutTasks',
  'session columns, with tiles': 'withoutSessionMetrics',
  'all of them': 'withoutAny',
}

export const operators: Question = {
  name: 'operators',
  asks: 'what each operator costs per event (reported)',
  async run({ quick, folder, note }) {
    const measured = quick ? QUICK_EVENTS : EVENTS
    const events = measured + RUN_IN_EVENTS
    const rounds = quick ? QUICK_ROUNDS : ROUNDS
    note(`${measured.toLocaleString('en-GB')} events after ${RUN_IN_EVENTS.toLocaleString('en-GB')} unmeasured ones, ${rounds} rounds`)
    const { measured: input, short } = await inputs(events, note)
    const perEvent = async (topology?: LaneOrder['topology']) => {
      const folders = { folder: roundFolder(input, `${folder}/round`), warmUp: roundFolder(short, `${folder}/warm-up`) }
      const settings = { checkpointBytes: checkpointBytesFor(measured), exactlyOnce: true, runIn: RUN_IN_EVENTS / events, settle: false }
      const { cpuSeconds, rows } = await inChild<LaneOrder, LaneAnswer>('run-lane', { ...folders, topology, ...settings })
      return (cpuSeconds / rows) * 1e6
    }
    const whole: number[] = []
    const without = new Map<string, number[]>(Object.keys(WITHOUT).map((name) => [name, []]))
    for (let round = 1; round <= rounds; round++) {
      whole.push(await perEvent())
      for (const [name, list] of without)
        list.push(await perEvent({ module: './fewer-operators.ts', export: WITHOUT[name as keyof typeof WITHOUT] }))
      note(`round ${round} of ${rounds}`)
    }
    // Differences within a round: what slows the machine for a while slows both.
    const cost = (name: string, list: readonly number[]) =>
      median(list.map((other, round) => (name.startsWith('dead-clicks') ? other - whole[round] : whole[round] - other)))
    return [
      ...[...without].map(([name, list]) => ({ name, value: cost(name, list), unit: 'µs CPU per event' })),
      { name: 'lane', value: median(whole), unit: 'µs CPU per event' },
      { name: 'events', value: measured, unit: 'events per round' },
    ]
  },
}
