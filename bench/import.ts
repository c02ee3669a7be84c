// How fast does a file become rows that can be queried? `packmill import`, from the start of its process until SQL counts are right.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { readCounts } from './harness/answer-file.ts'
import { cached } from './harness/cache.ts'
import { checked } from './harness/checked.ts'
import { type ImportAnswer, importOnce } from './harness/import-once.ts'
import { inChild } from './harness/in-child.ts'
import { median } from './harness/median.ts'
import type { Question } from './harness/report.ts'
import type { ParseFileAnswer } from './harness/run-parse-file.ts'

const EVENTS = 5_000_000
const QUICK_EVENTS = 1_000_000
/** An odd number, each of tens of seconds: what varies from start to start is small against one. */
const ROUNDS = 3

export const importFile: Question = {
  name: 'import',
  asks: "packmill import of a file, from the start of the process until SQL counts are the evaluator's",
  async run({ quick, folder, note }) {
    const events = quick ? QUICK_EVENTS : EVENTS
    note(`${events.toLocaleString('en-GB')} events, ${ROUNDS} rounds`)
    const [made, answer] = await Promise.all([cached('file', events, note), cached('answer', events, note)])
    const file = join(made, 'events.jsonl')
    const data = join(folder, 'data')
    const expected = readCounts(answer)
    const imports: ImportAnswer[] = []
    const parses: ParseFileAnswer[] = []
    for (let round = 1; round <= ROUNDS; round++) {
      parses.push(await inChild('run-parse-file', { file }))
      rmSync(data, { recursive: true, force: true })
      imports.push(await importOnce(file, data, expected))
      const { seconds, endedSeconds } = imports.at(-1)!
      note(`round ${round}: counts are right after ${seconds.toFixed(1)} s, the command ended after ${endedSeconds.toFixed(1)} s`)
    }
    return [
      { name: 'import-rate', value: events / median(imports.map(({ seconds }) => seconds)), unit: 'events/s', atLeast: 150_000 },
      await checked('tables', [data], answer, note),
      { name: 'until-ended', value: events / median(imports.map(({ endedSeconds }) => endedSeconds)), unit: 'events/s' },
      { name: 'json-parse-rate', value: events / median(parses.map(({ wallSeconds }) => wallSeconds)), unit: 'events/s on one thread' },
      { name: 'events', value: events, unit: 'events per round' },
    ]
  },
}
