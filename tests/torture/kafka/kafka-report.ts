// A torture on Kafka as a section of docs/torture.md.
import { count, table } from '../report-page.ts'
import { KINDS, MEANING } from './faults.ts'
import type { KafkaRound } from './kafka-round.ts'

const seconds = (ms: number) => `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`

export function kafkaReport({ seed, rate, round }: { seed: number; rate: number; round: KafkaRound }): string {
  const { faults, zombies, pieces, waits, longestMs, underFaultsMs, answer } = round
  const all = [...faults.values()].reduce((sum, n) => sum + n, 0)
  return `Three \`packmill up\` share six partitions of one broker (KRaft, one node) with sessions of 6 s, and reach it through a proxy; a producer puts ${count(rate)} events a second into \`events.raw\`.
Faults come one after the other, some while the one before is not over, some only when all partitions are at work again. Then the input ends, sessions are closed, and lag
returns to 0. What a consumer of committed records sees in each topic of results, and what the tables of the one process that fills them hold, is the evaluator's answer for what lies
on \`events.raw\`: each version of each session and incident once, each row once.

Seed ${seed}: ${count(all)} faults in ${seconds(underFaultsMs)}, ${count(answer.events)} records, ${count(answer.sessions)} sessions, ${count(answer.incidents)} incidents, ${count(answer.late)} late
events, ${count(answer.duplicates)} duplicates: ${answer.differences.length === 0 ? 'all as the evaluator has it' : `${answer.differences.length} differences`}. Lag returned to 0. Where it was waited for, all partitions were at work again after ${seconds(longestMs)} at most.
Written by \`npm run torture -- --kafka --seed ${seed} --faults ${all} --rate ${rate} --report docs/torture.md\`: the seed decides which faults come in which order, not what they meet.

${table(
  ['what went wrong on purpose', 'times'],
  [
    ...KINDS.flatMap((kind): [string, number][] => [[MEANING[kind], faults.get(kind) ?? 0]]),
    ['of those that slept: with a transaction open, which the next owner found and ended', zombies],
    ['pieces at which a connection was cut', pieces.cut],
    ['answers brought by half', pieces.half],
    ['pieces behind which a connection was held up', pieces.stall],
  ],
)}

${table(
  ['what processes said that they waited for, and went on after', 'times'],
  [...waits].sort(([, a], [, b]) => b - a),
)}
`
}
