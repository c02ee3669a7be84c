// A few of the faults of `npm run torture -- --kafka`, on real processes and a broker of their own. The long version is that command.
import { expect, test } from 'vitest'
import { kafkaServer } from '../../kafka-server.ts'
import { kafkaRound } from './kafka-round.ts'

// Whether there is a broker to be had here at all; this one is not killed.
const server = await kafkaServer()

test.runIf(server)(
  'a zombie, half answers and a burst of rebalances: topics and tables equal the evaluator’s answer',
  async () => {
    const kinds = ['zombie', 'half', 'rebalance'] as const
    const notes: string[] = []
    const startedBy = Number(process.env.TEST_RUN_PID)
    const { answer, faults, zombies } = await kafkaRound({
      seed: 2,
      faults: kinds.length,
      rate: 400,
      kinds,
      startedBy,
      note: (text) => notes.push(text),
    })
    expect(answer.differences, notes.join('\n')).toEqual([])
    expect([...faults.keys()].sort()).toEqual([...kinds].sort())
    expect(zombies).toBe(1)
    expect(answer.events).toBeGreaterThan(1000)
    expect(Math.min(answer.sessions, answer.incidents)).toBeGreaterThan(50)
  },
  240_000,
)
