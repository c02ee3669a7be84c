// Advice of the engine, as it reads for a topology of one's own.
import { expect, test } from 'vitest'
import { EngineError } from '../../engine/errors.ts'
import type { Topology } from '../../streams/stream.ts'
import { openStreams } from './open-streams.ts'
import { ownAdvice } from './own-advice.ts'

const at = (brokers: string[]) => ({
  file: 'mine.ts',
  config: { kafka: { brokers } } as unknown as Parameters<typeof ownAdvice>[1]['config'],
})
const ANEW = 'or compute all output anew in a new folder (packmill upgrade rebuild --into DIR).'

test('names the file in every command, and offers no rebuild, which a topology of its own has not', () => {
  const adviceOf = (code: string, advice: string, brokers: string[] = []) =>
    (ownAdvice(new EngineError(code, 'm', advice), at(brokers)) as EngineError).advice
  expect(adviceOf('UPGRADE_DIVERGED', `packmill upgrade drain, then; keep (packmill upgrade accept 3:44); ${ANEW}`)).toBe(
    'packmill upgrade drain --topology mine.ts, then; keep (packmill upgrade accept 3:44 --topology mine.ts); or give the input to a new folder (--data).',
  )
  expect(adviceOf('SINK_VERSION', 'Run packmill upgrade drain. Or: packmill upgrade accept --all.')).toBe(
    'Run packmill upgrade drain --topology mine.ts. Or: packmill upgrade accept --all --topology mine.ts.',
  )
  for (const code of ['REPLAY_DIVERGED', 'CODE_CHANGED']) expect(adviceOf(code, ANEW, ['b:9092'])).toContain('another kafka.topicPrefix')
  const other = new EngineError('FENCED', 'm', ANEW)
  expect(ownAdvice(other, at([]))).toBe(other)
})

test('ACCEPT_ALL_ONLY names the file', async () => {
  const topology = { name: 'two', pipelines: [1, 2].map(() => ({ input: { kind: 'source' } })) } as unknown as Topology
  const options = { ...at([]), topology, asked: { partitions: false, lanes: false }, upgrade: { accept: [[0, 1]] } }
  await expect(openStreams(options as unknown as Parameters<typeof openStreams>[0])).rejects.toMatchObject({
    code: 'ACCEPT_ALL_ONLY',
    advice: 'Say packmill upgrade accept --all --topology mine.ts.',
  })
})
