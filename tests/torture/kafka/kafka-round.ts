// One torture on Kafka: three `packmill up` under load, one fault after the other (faults.ts, ground.ts); then the input ends, all sessions are closed, lag returns
// to 0, and what a reader of committed records sees and what the tables hold is compared with the batch evaluator's answer.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TOPICS } from '../../../model/rows.ts'
import { connect, type Local } from '../../../services/process/local.ts'
import { Random } from '../../../services/traffic/random.ts'
import { openKafkaLog } from '../../../stores/kafka/kafka-log.ts'
import { topicAnswer } from '../../kafka/topic-answer.ts'
import { type Summary, summary, tableDifferences } from '../answer.ts'
import { type Fault, type Kind, mayOverlap, planFaults } from './faults.ts'
import { Ground, NAMES, PARTITIONS, PREFIX } from './ground.ts'
import { Load } from './load.ts'

export interface KafkaRoundOptions {
  seed: number
  faults: number
  /** Events per second. */
  rate: number
  /** Default: all. */
  kinds?: readonly Kind[]
  /** Whose process the broker may be ended with. */
  startedBy?: number
  /** A line of progress. */
  note(text: string): void
}

export interface KafkaRound {
  answer: Summary
  /** How often each kind came. */
  faults: Map<Kind, number>
  /** Of those that slept, how many had a transaction open. */
  zombies: number
  /** Pieces that were cut, brought by half, held up. */
  pieces: { cut: number; half: number; stall: number }
  /** What processes said that they waited for. */
  waits: ReadonlyMap<string, number>
  /** The longest until all partitions were at work again, where that was waited for. */
  longestMs: number
  /** From the first fault to the last one's end. */
  underFaultsMs: number
  /** Left for a look where something is wrong. */
  folder: string
}

const LAG_EVERY_MS = 200
const LAG_MAX_MS = 120_000

/** Throws where a process breaks or does not come back; the folder then stays. Otherwise it is removed unless there are differences. */
export async function kafkaRound({ seed, faults, rate, kinds, startedBy = process.pid, note }: KafkaRoundOptions): Promise<KafkaRound> {
  const random = new Random(seed)
  const folder = mkdtempSync(join(tmpdir(), 'packmill-torture-'))
  const plan = planFaults(random, faults, NAMES.length, kinds)
  const ground = await Ground.open({ folder, random, startedBy })
  const { crew } = ground
  let load: Load | undefined
  try {
    for (const name of NAMES) crew.start(name)
    await crew.shared()
    load = new Load({ broker: ground.address, topicPrefix: PREFIX, seed, rate })
    const fromMs = performance.now()
    await underFaults(ground, plan, (i, said) => {
      const seconds = ((performance.now() - fromMs) / 1000).toFixed(0)
      note(
        `${String(i + 1).padStart(4)}/${plan.length}  ${seconds.padStart(4)} s  ${load!.events} events  ${plan[i].kind}${said && `: ${said}`}`,
      )
    })
    const underFaultsMs = performance.now() - fromMs
    await load.stop()
    note(`the input has ended: ${load.events} events`)
    const answer = await answerOf(ground, folder, note)
    for (const name of NAMES) await crew.stop(name)
    const round: KafkaRound = {
      ...{ answer, zombies: ground.zombies, waits: crew.waits, longestMs: crew.longestMs, underFaultsMs, folder },
      ...{ faults: countOf(plan), pieces: ground.weather.proxy.counts },
    }
    await ground.close()
    if (answer.differences.length === 0) for (const path of [folder, ground.brokerFolder]) rmSync(path, { recursive: true, force: true })
    return round
  } catch (error) {
    await ground.close()
    await load?.stop().catch(() => undefined)
    throw new Error(`${(error as Error).message}\nwhat they said is in ${folder}, the broker in ${ground.brokerFolder}`, { cause: error })
  }
}

/** `done`: of the plan's i-th, what it did. */
async function underFaults(ground: Ground, plan: readonly Fault[], done: (i: number, said: string) => void): Promise<void> {
  const { crew } = ground
  let underWay: { fault: Fault; over: Promise<void> }[] = []
  for (const [i, fault] of plan.entries()) {
    const goesOn = fault.overlaps && underWay.length === 1 && mayOverlap(underWay[0].fault, fault)
    if (!goesOn) {
      await Promise.all(underWay.map(({ over }) => over))
      underWay = []
      if (fault.isCalm) await crew.shared()
    }
    await crew.orBroken(sleep(fault.pauseMs))
    const over = ground.inflict(fault).then((said) => done(i, said))
    over.catch(() => undefined)
    underWay.push({ fault, over })
  }
  await Promise.all(underWay.map(({ over }) => over))
}

async function answerOf(ground: Ground, folder: string, note: (text: string) => void): Promise<Summary> {
  const { crew } = ground
  const local = async (name: string): Promise<Local> => {
    const found = await connect(join(folder, name))
    if (!found) throw new Error(`${name} does not answer`)
    return found
  }
  const moves = () => [...crew.processes.values()].reduce((sum, { said }) => sum + said.length, 0)
  // A partition that moves meanwhile is closed by whoever has it then.
  for (let before = -1; before !== moves(); ) {
    await crew.shared()
    before = moves()
    for (const name of NAMES) await crew.orBroken((await local(name)).settle({ snapshots: false, close: true }))
  }
  const first = await local(NAMES[0])
  const endMs = performance.now() + LAG_MAX_MS
  for (;;) {
    const behind = (await crew.orBroken(first.lag())).filter(({ records }) => records > 0)
    if (behind.length === 0) break
    if (performance.now() > endMs) throw new Error(`lag does not return to 0:\n${JSON.stringify(behind, undefined, 1)}`)
    await sleep(LAG_EVERY_MS)
  }
  note('lag is 0')
  const connection = { brokers: [ground.address] }
  const log = await openKafkaLog({ connection, topicPrefix: PREFIX, namespace: `${PREFIX}packmill` })
  try {
    const { differences, records, evaluation } = await topicAnswer(log, PARTITIONS, connection)
    const [{ rows }] = await first.query<{ rows: number }>('SELECT count() AS rows FROM events_raw')
    const ofTables = await tableDifferences(first, evaluation)
    if (Number(rows) !== records) ofTables.unshift(`events_raw has ${rows} rows, ${TOPICS.raw} ${records} records`)
    const all = [...differences.map((one) => `topics: ${one}`), ...ofTables.map((one) => `tables: ${one}`)]
    return summary({ differences: all, events: records, evaluation })
  } finally {
    await log.close()
  }
}

function countOf(plan: readonly Fault[]): Map<Kind, number> {
  const counts = new Map<Kind, number>()
  for (const { kind } of plan) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}
