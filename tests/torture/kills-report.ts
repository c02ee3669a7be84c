// A campaign of kills as a section of docs/torture.md.
import { ALSO, type KillQuotas } from './kill-quotas.ts'
import { MOMENTS, type Moment } from './moments.ts'
import { count, table } from './report-page.ts'

export interface KillsDone {
  seed: number
  wanted: number
  quotas: KillQuotas
  rounds: number
  events: number
  sessions: number
  incidents: number
}

const MEANING: Record<Moment, string> = {
  start: 'it had not started yet',
  recovery: 'it computed epochs again',
  import: 'it read a file',
  drain: 'all was read, and not yet all written',
  commit: 'a commit of epochs was on its way: a frame written or synced, and not answered yet',
  checkpoint: 'a file of a checkpoint had no end yet',
  insert: 'rows of an insert were on the disk, and not yet in their table',
  stop: 'it was asked to stop',
}

const ALSO_MEANING: Record<(typeof ALSO)[number], string> = {
  held: 'stopped, a second process refused meanwhile, and let go on',
  twice: 'killed within a second of its start, which had followed a kill',
}

export function killsReport({ seed, wanted, quotas, rounds, events, sessions, incidents }: KillsDone): string {
  const { kills, counts, also } = quotas
  return `A process imports files into a data folder and is killed (\`kill -9\`) at a random time, or as soon as it is at a chosen moment; the next one goes on with what it left. After
every few kills one is left to come to its end, and what its tables hold is compared with the evaluator's answer, row by row. A campaign goes on until at least a tenth of its kills
fell each into a commit, a checkpoint, an insert and a recovery. What a process was doing is seen while it stands still (\`SIGSTOP\`), right before it is killed: by what it said, by what stands half
done in its folder, and, for commits, by a mark that is set before a frame is written and taken away when its sync has been answered (tests/torture/mark-commits.ts).
Now and then one that stands still is not killed: a second process of its folder is started, must be refused (\`DATA_LOCKED\`) with the name of the one that stands still, and that one goes on (\`SIGCONT\`).

Seed ${seed}: ${count(kills)} kills in ${count(rounds)} rounds over ${count(events)} events, ${count(sessions)} sessions, ${count(incidents)} incidents: every answer right.
Written by \`npm run torture -- --kills ${wanted} --seed ${seed} --report docs/torture.md\`: the seed decides at what is aimed, not what is met.

${table(
  ['killed while (one kill may fall into several)', 'kills'],
  MOMENTS.map((moment) => [MEANING[moment], counts[moment]]),
)}

${table(
  ['and', 'times'],
  ALSO.map((what) => [ALSO_MEANING[what], also[what]]),
)}
`
}
