import { expect, test } from 'vitest'
import { kafkaPartition } from '../model/hash.ts'
import { foreignInput } from './foreign-source.ts'
import { MemoryStore } from './memory-store.ts'
import { recordStages } from './record-computer.ts'
import { lines, source, topology } from './stream.ts'

const PARTITIONS = 3
const scope = { lineage: 'main', code: 'v1' }

/** What a partition's first epoch puts out, by topic. */
function outputsOf(of: ReturnType<typeof topology>, partition: number, records: readonly string[]): Record<string, unknown[]> {
  const [stage] = recordStages(of, (input, own) => foreignInput(input, own, PARTITIONS))
  const computer = stage.computer({ ...scope, partition }, new MemoryStore())
  const bytes = Buffer.from(records.map((record) => `${record}\n`).join(''))
  const blocks = [{ baseOffset: 0, count: records.length, pos: 0, length: bytes.length }]
  computer.load({ bytes, blocks, next: records.length }, 0, records.length)
  const { outputs } = computer.compute(1, 0, records.length, {}, undefined)
  const linesOf = (text: Uint8Array) => Buffer.from(text).toString().trimEnd().split('\n')
  return Object.fromEntries(outputs.map(({ topic, bytes: own }) => [topic, linesOf(own).map((line) => JSON.parse(line) as unknown)]))
}

test('a line is the record’s value as it is, whatever it looks like', () => {
  const texts = ['plain', '"quoted"', '{"json":1}', '']
  const of = topology('copy', lines('text').to('copies'))
  expect(outputsOf(of, 0, texts)).toEqual({ copies: texts })
})

test('a record in another partition than its key’s is a dead letter; without a key every partition is its own', () => {
  const row = source('rows', { parse: (value) => value as { key: string } })
  const keys = Array.from({ length: 20 }, (_, n) => `k${n}`)
  const records = keys.map((key) => JSON.stringify({ key }))
  const own = keys.filter((key) => kafkaPartition(Buffer.from(key), PARTITIONS) === 1)
  const keyed = outputsOf(topology('keyed', row.keyBy(({ key }) => key).to('out')), 1, [...records, 'none'])
  expect(keyed.out).toEqual(own.map((key) => ({ key })))
  const codes = (keyed['keyed.dlq'] as { code: string; message: string }[]).map(({ code }) => code)
  expect(codes).toEqual([...Array.from({ length: keys.length - own.length }, () => 'WRONG_PARTITION'), 'INVALID'])
  expect(outputsOf(topology('free', row.to('out')), 1, records).out).toHaveLength(keys.length)
})
