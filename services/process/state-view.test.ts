// What packmill state says of a topology of one's own. The command is cli/lag-and-state.test.ts's.
import { expect, test } from 'vitest'
import { MemoryStore } from '../../streams/memory-store.ts'
import { operator } from '../../streams/operator.ts'
import { RecordState } from '../../streams/record-state.ts'
import { recordForm, viewState } from './state-view.ts'

const counter = operator({ name: 'counter', state: () => ({ n: 0 }), onRecord: (state) => void state.n++ })

test('keys are listed and found as they are, also one with half of a surrogate pair; a record that waits is no key', async () => {
  const store = new MemoryStore()
  const state = new RecordState([counter], store)
  const keys = ['a', 'a\ud83d', 'a\ud83e', '\ufeffa']
  for (const [n, key] of keys.entries()) state.touch(key).slots = [{ n }]
  state.addPending({ offset: 1, timeMs: 2, upstream: 0, key: 'a', text: '{}', value: undefined })
  state.settle()
  state.begin({ epoch: 1, to: 5 })
  while (!(await state.slice(1 << 20)));
  await state.finish()

  const at = { task: 'counts', partition: 0 }
  expect(viewState(store, recordForm, at, { ask: 'list', limit: 9, count: true })).toEqual({
    ...at,
    checkpoint: { epoch: 1, to: 5 },
    keys: keys.map((key) => ({ key })),
    count: 4,
  })
  for (const [n, key] of keys.entries())
    expect(viewState(store, recordForm, at, { ask: 'get', key, events: 0 }).value).toEqual({
      nextTimer: null,
      operators: { counter: { stateVersion: 1, state: { n } } },
    })
})
