import fc from 'fast-check'
import { expect, it } from 'vitest'
import { settings } from '../../tests/oracle/in-memory.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import { KeyedState, S } from './keyed-state.ts'
import { USER } from './users.ts'

const USERS = 6
const { pipeline } = clickstream(settings)
const lengths = fc.oneof(fc.nat(300), fc.constantFrom(0, 1, 123, 124, 125, 248, 249, 2000))
const step = fc.record({
  kind: fc.constantFrom('publish', 'publish', 'drop', 'compact'),
  user: fc.nat(USERS - 1),
  which: fc.nat(),
  length: lengths,
})

it('any sequence of contents published and dropped, and moved in between, leaves to every session what a Map would have', () => {
  let moved = 0
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const state = new KeyedState(pipeline.folds, pipeline.sessionFold)
      const users = Array.from({ length: USERS }, (_, n) => state.users.addKey(0, Buffer.from(`u:${n}`)))
      const expected = new Map<number, string>()
      for (const { kind, user: n, which, length } of steps) {
        const user = users[n]
        const head = user * state.users.arena.words + USER.HEAD
        if (kind === 'publish') {
          const text = Buffer.alloc(length + 3, `${which} `)
          const session = state.sessions.alloc()
          const at = session * state.sessions.words
          state.sessions.u32[at + S.OLDER] = state.users.arena.u32[head]
          state.sessions.u32[at + S.VERSION] = 1
          state.sessions.u32[at + S.CONTENT] = state.texts.put(new DataView(text.buffer, text.byteOffset, text.length), 0, length, true)
          state.sessions.u32[at + S.CONTENT_LENGTH] = length
          state.users.arena.u32[head] = session
          expected.set(session, text.toString('latin1', 0, length))
        } else if (kind === 'drop') {
          for (const user of users.slice(0, n + 1)) {
            for (const session of state.listSessions(user, [])) {
              expected.delete(session)
              state.dropSession(session)
            }
            state.users.arena.u32[user * state.users.arena.words + USER.HEAD] = 0
          }
        }
        state.settle()
        if (kind === 'compact') {
          const { bytesHeld, bytesUsed } = state.texts.arena
          state.compactTexts(1)
          expect(state.texts.arena.bytesUsed).toBe(bytesUsed)
          if (bytesHeld > bytesUsed * 2) {
            expect(state.texts.arena.bytesHeld).toBe(bytesUsed)
            if (bytesUsed > 0) moved++
          }
        }
        for (const [session, content] of expected) expect(state.published(session)?.content).toBe(content)
      }
    }),
    { numRuns: 300 },
  )
  expect(moved).toBeGreaterThan(20)
})
