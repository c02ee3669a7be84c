import { expect, test } from 'vitest'
import { EngineError, fromData, named, toData } from '../engine/errors.ts'
import { logNotice, openLog } from './log.ts'

function logged(logLevel: 'silent' | 'error' | 'warn' | 'info' | 'debug'): Record<string, unknown>[] {
  const lines: string[] = []
  const log = openLog({ logLevel }, { write: (line: string) => void lines.push(line) })
  const error = new EngineError('DISK_FULL', 'no space', 'Free some.')
  logNotice(log, { type: 'partition-stopped', partition: 3, error })
  logNotice(log, { type: 'sink-stopped', table: 'events_raw', error: new TypeError('no code') })
  logNotice(log, { type: 'sink-failed', table: 'events_raw', error })
  logNotice(log, { type: 'recovering', partition: 3, done: 0, of: 7 })
  logNotice(log, { type: 'request', id: 'a-1', request: 'POST /sql' })
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}

test.each([
  ['silent', []],
  ['error', ['error', 'error']],
  ['warn', ['error', 'error', 'warn']],
  ['info', ['error', 'error', 'warn', 'info']],
  ['debug', ['error', 'error', 'warn', 'info', 'debug']],
] as const)('logLevel %s', (level, levels) => {
  expect(logged(level).map((line) => line.level)).toEqual(levels)
})

test('an error says its code and what to do, one without a code where it comes from', () => {
  const [ours, other] = logged('error')
  expect(ours).toMatchObject({ pid: process.pid, partition: 3, error: { code: 'DISK_FULL', message: 'no space', advice: 'Free some.' } })
  expect(ours!.error).not.toHaveProperty('stack')
  expect(other).toMatchObject({ msg: 'sink-stopped: the others go on', error: { stack: expect.stringContaining('log.test.ts') } })
})

test('an error of another thread that has no code of its own still says where it comes from', () => {
  const lines: string[] = []
  const log = openLog({ logLevel: 'error' }, { write: (line: string) => void lines.push(line) })
  const error = fromData(toData(named(new TypeError('x is undefined'))))
  logNotice(log, { type: 'partition-stopped', partition: 1, error })
  expect(JSON.parse(lines[0]!)).toMatchObject({
    error: { code: 'INTERNAL', message: 'x is undefined', stack: expect.stringContaining('log.test.ts') },
  })
})
