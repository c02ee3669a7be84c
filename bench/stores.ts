// How fast do rows go into the embedded analytics store, by the format that they go in as? Rows of events_raw (21 columns, sorted, LZ4).
import { inChild } from './harness/in-child.ts'
import type { Question } from './harness/report.ts'
import type { StoresAnswer, StoresOrder } from './harness/run-stores.ts'

const ROWS = 200_000
const QUICK_ROWS = 50_000
const ROUNDS = 5

export const stores: Question = {
  name: 'stores',
  asks: 'insert rates of the analytics store by format (reported)',
  async run({ quick, folder, note }) {
    const rows = quick ? QUICK_ROWS : ROWS
    note(`${rows.toLocaleString('en-GB')} rows per insert, ${ROUNDS} rounds`)
    const { ways, mergeMicros } = await inChild<StoresOrder, StoresAnswer>('run-stores', { folder, rows, rounds: ROUNDS })
    return [
      ...Object.entries(ways).flatMap(([name, { cpuMicros, wallMicros }]) => [
        { name, value: 1e6 / wallMicros, unit: 'rows/s' },
        { name: `${name}-cpu`, value: cpuMicros, unit: 'µs CPU per row' },
      ]),
      { name: 'merge-all-cpu', value: mergeMicros, unit: 'µs CPU per row, once' },
      { name: 'rows', value: rows, unit: 'rows per insert' },
    ]
  },
}
