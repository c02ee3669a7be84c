import { expect, test } from 'vitest'
import { ConfigError } from '../config/index.ts'
import { EngineError } from '../engine/errors.ts'
import { describeError } from './errors.ts'

test.each<[string, unknown, string]>([
  ['advice of configuration and stores', new ConfigError('no', 'do this'), 'CONFIG_INVALID: no\n  do this'],
  ['the hint of the engine', new EngineError('REPLAY_DIVERGED', 'epoch 7', 'choose'), 'REPLAY_DIVERGED: epoch 7\n  choose'],
  [
    'Node: its code once',
    Object.assign(new Error('EISDIR: illegal operation'), { code: 'EISDIR' }),
    'EISDIR: illegal operation\n  Name a file, not a folder.',
  ],
  ['Node: a code without advice', Object.assign(new Error('busy'), { code: 'EBUSY' }), 'EBUSY: busy'],
  [
    'a bug',
    new TypeError('x is undefined'),
    'INTERNAL: x is undefined\n  This is a bug in Packmill: please report it, with what --verbose adds.',
  ],
  ['something that is no error', 'oops', 'INTERNAL: oops\n  This is a bug in Packmill: please report it, with what --verbose adds.'],
])('%s', (_, error, text) => {
  expect(describeError(error, false)).toBe(text)
})

test('--verbose adds the stack, and those of its causes', () => {
  const text = describeError(new ConfigError('outer', 'do', new Error('inner')), true)
  expect(text).toMatch(/ConfigError: outer\n\s+at /)
  expect(text).toMatch(/caused by Error: inner\n\s+at /)
})
