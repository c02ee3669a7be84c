import { describe, expect, test } from 'vitest'
import { trafficEvents } from '../../services/traffic/traffic.ts'
import { compareIncidents, compareSessions } from './compare.ts'
import { type Evaluation, evaluate, type LogRecord, type OracleSettings, oracleDefaults } from './evaluate.ts'
import { type Operators, rowsByFolds } from './fold-runner.ts'
import { type NastyLog, type NastySettings, nasty } from './nasty.ts'
import { plantedBugs } from './planted-bugs.ts'
import { type Planted, productOperators } from './planting.ts'

const SEEDS = 40
const recordsOf = ({ events }: { events: NastyLog['events'] }) =>
  events.map((event, offset): LogRecord => ({ partition: 1, offset, event }))
const logs = Array.from({ length: SEEDS }, (_, at) => nasty(at + 1)).map((log) => {
  const records = recordsOf(log)
  return { ...log, records, right: evaluate(records, log.settings) }
})

const versions = (rows: ReadonlyMap<string, object>) => [...rows.values()].map((row) => ({ ...row, version: 1, deleted: 0 }))
const differences = (actual: Evaluation, expected: Evaluation) => [
  ...compareSessions(versions(actual.sessions), expected.sessions),
  ...compareIncidents(versions(actual.incidents), expected.incidents),
]
const byOperators = (records: LogRecord[], operators: Operators, settings: Partial<OracleSettings>) =>
  evaluate(records, settings, rowsByFolds(operators))

describe("the product's operators agree with the evaluator", () => {
  test.each(logs.map((log) => [log.seed, log] as const))('on the nasty log of seed %i', (_, { records, settings, right }) => {
    expect(differences(byOperators(records, productOperators(settings), settings), right)).toEqual([])
  })

  test('on generated traffic with late events', () => {
    const events = [...trafficEvents({ seed: 9, events: 20_000, users: 200, orgs: 2, late: 0.01, lateBeyondDisorder: 0.02 })]
    const records = recordsOf({ events })
    expect(differences(byOperators(records, productOperators(oracleDefaults as NastySettings), {}), evaluate(records))).toEqual([])
  })
})

describe('planted bugs', () => {
  test('are at least twenty in operators, and each has a name of its own', () => {
    expect(plantedBugs.filter((bug) => bug.of === 'operator').length).toBeGreaterThanOrEqual(20)
    expect(new Set(plantedBugs.map((bug) => bug.name)).size).toBe(plantedBugs.length)
  })

  test.each(plantedBugs.map((bug) => [bug.name, bug] as const))('%s', (_, bug) => {
    const caughtBy = logs.filter(({ records, settings, right }) => {
      const wrong: Planted = bug.apply({ operators: productOperators(settings), settings })
      return differences(byOperators(records, wrong.operators, wrong.settings), right).length > 0
    })
    expect(caughtBy.map((log) => log.seed)).not.toEqual([])
  })
})
