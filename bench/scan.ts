// What do reading and scanning cost, which no lane can be faster than?
import { inChild } from './harness/in-child.ts'
import { median } from './harness/median.ts'
import type { Question } from './harness/report.ts'
import type { ParseAnswer } from './harness/run-parse.ts'
import type { ScanAnswer } from './harness/run-scan.ts'
import { inputs, roundFolder } from './harness/workload.ts'

const EVENTS = 2_000_000
const QUICK_EVENTS = 1_000_000
const ROUNDS = 5

export const scan: Question = {
  name: 'scan',
  asks: 'reading and scanning alone against JSON.parse: what no lane can be faster than (reported)',
  async run({ quick, folder, note }) {
    const events = quick ? QUICK_EVENTS : EVENTS
    note(`${events.toLocaleString('en-GB')} events, ${ROUNDS} rounds`)
    const { measured, short } = await inputs(events, note)
    const folders = () => ({ folder: roundFolder(measured, `${folder}/round`), warmUp: roundFolder(short, `${folder}/warm-up`) })
    const [parses, scans, reads]: number[][] = [[], [], []]
    let fallbackRows = 0
    for (let round = 1; round <= ROUNDS; round++) {
      parses.push((await inChild<unknown, ParseAnswer>('run-parse', folders())).cpuSeconds)
      const scanned = await inChild<unknown, ScanAnswer>('run-scan', { ...folders(), scans: true })
      scans.push(scanned.cpuSeconds)
      fallbackRows = scanned.fallbackRows
      reads.push((await inChild<unknown, ScanAnswer>('run-scan', { ...folders(), scans: false })).cpuSeconds)
      note(`round ${round}: parse ${parses.at(-1)!.toFixed(2)} s of CPU, read and scan ${scans.at(-1)!.toFixed(2)} s`)
    }
    const perEvent = (seconds: number[]) => (median(seconds) / events) * 1e6
    return [
      { name: 'scan-over-json-parse', value: median(parses) / median(scans), unit: '×' },
      { name: 'read', value: perEvent(reads), unit: 'µs CPU per event' },
      { name: 'read-and-scan', value: perEvent(scans), unit: 'µs CPU per event' },
      { name: 'read-and-json-parse', value: perEvent(parses), unit: 'µs CPU per event' },
      { name: 'fallback', value: (fallbackRows / events) * 100, unit: '% of the events' },
      { name: 'events', value: events, unit: 'events per round' },
    ]
  },
}
