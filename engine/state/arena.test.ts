import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Arena, type Mark } from './arena.ts'

type Model = Map<number, { words: number[]; side: string | undefined }>

const WORDS = 4
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const), which: fc.nat(), word: fc.nat(WORDS - 1), value: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('alloc' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('drop' as const), which: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('savepoint' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('rollback' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('hold' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('unhold' as const) }) },
  ),
  { maxLength: 60 },
)

it('is, after any rollback to any savepoint, what it was then; copies made for a checkpoint stay as they were; side values are counted', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const arena = new Arena<string>(WORDS, { capacity: 2, sideBytes: (side) => side.length })
      let live: Model = new Map()
      let marks: { mark: Mark; live: Model }[] = []
      const copies: { index: number; words: number[]; side: string | undefined }[] = []
      const pick = (which: number) => [...live.keys()][which % live.size]
      const wordsOf = (index: number) => [...arena.u32.subarray(index * WORDS, (index + 1) * WORDS)]
      const begin = () => marks.push({ mark: arena.savepoint(), live: structuredClone(live) })
      begin()
      for (const step of list) {
        if (step.kind === 'alloc') {
          const index = arena.alloc()
          expect(live.has(index)).toBe(false)
          expect(wordsOf(index)).toEqual([0, 0, 0, 0])
          live.set(index, { words: [0, 0, 0, 0], side: undefined })
        } else if (step.kind === 'write' && live.size > 0) {
          const index = pick(step.which)
          arena.touch(index)
          arena.u32[index * WORDS + step.word] = step.value
          arena.setSide(index, `${step.value}`)
          const record = live.get(index) as { words: number[]; side: string | undefined }
          record.words[step.word] = step.value
          record.side = `${step.value}`
        } else if (step.kind === 'drop' && live.size > 0) {
          const index = pick(step.which)
          arena.drop(index)
          live.delete(index)
        } else if (step.kind === 'savepoint') begin()
        else if (step.kind === 'rollback') {
          const to = step.which % marks.length
          arena.rollback(marks[to].mark)
          live = structuredClone(marks[to].live)
          marks = marks.slice(0, to + 1)
        } else if (step.kind === 'settle') {
          arena.settle()
          marks = []
          begin()
        } else if (step.kind === 'hold') {
          arena.hold()
          for (const index of live.keys()) copies.push({ index: arena.copy(index), words: wordsOf(index), side: arena.side[index] })
        } else if (step.kind === 'unhold') {
          for (const { index } of copies.splice(0)) arena.release(index)
          arena.unhold()
        }
        for (const [index, { words, side }] of live) {
          expect(wordsOf(index)).toEqual(words)
          expect(arena.side[index]).toBe(side)
        }
        for (const { index, words, side } of copies) {
          expect(wordsOf(index)).toEqual(words)
          expect(arena.side[index]).toBe(side)
        }
        const inSides = arena.side.reduce((sum, side) => sum + (side?.length ?? 0), 0)
        expect(arena.bytesHeld - arena.last * WORDS * 4).toBe(inSides)
      }
    }),
    { numRuns: 300 },
  )
})

it('grows to 4 GiB, and then says what is wrong', () => {
  // Untouched, they take addresses only.
  const arena = new Arena(1 << 20, { capacity: 2 })
  const fill = () => {
    for (;;) arena.takeDirty()
  }
  expect(fill).toThrow(expect.objectContaining({ code: 'STATE_FULL', retryable: true }))
  expect(arena.last).toBe(1023)
})

it('chains come back whole: no record is given twice, and none is lost', () => {
  const step = fc.record({
    kind: fc.constantFrom('take', 'take', 'take', 'drop', 'release', 'rollback', 'settle', 'hold', 'unhold'),
    which: fc.nat(),
    length: fc.integer({ min: 1, max: 5 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (list) => {
      const arena = new Arena(WORDS, { capacity: 2 })
      let live: number[][] = []
      let settled: number[][] = []
      let held: number[][] = []
      let holding = false
      let mark = arena.savepoint()
      const settle = () => {
        arena.settle()
        // A checkpoint may still refer to what was dropped while it is open.
        if (holding) held.push(...settled.filter((chain) => !live.includes(chain)))
        settled = [...live]
        mark = arena.savepoint()
      }
      for (const { kind, which, length } of list) {
        if (kind === 'take') {
          const chain = Array.from({ length }, () => arena.allocDirty())
          chain.forEach((record, i) => {
            arena.u32[record * WORDS] = chain[i + 1] ?? 0xffff
            arena.u32[record * WORDS + 1] = chain[0]
          })
          live.push(chain)
        } else if ((kind === 'drop' || kind === 'release') && live.length > 0) {
          if (kind === 'release') settle()
          const [chain] = live.splice(which % live.length, 1)
          if (kind === 'drop') arena.dropChain(chain[0], chain.length)
          else {
            arena.releaseChain(chain[0], chain.length)
            settled = [...live]
          }
        } else if (kind === 'rollback') {
          arena.rollback(mark)
          live = [...settled]
        } else if (kind === 'settle') settle()
        else if (kind === 'hold') {
          arena.hold()
          holding = true
        } else if (kind === 'unhold') {
          arena.unhold()
          holding = false
          held = []
        }
        for (const chain of [...live, ...held])
          chain.forEach((record, i) => {
            expect([arena.u32[record * WORDS], arena.u32[record * WORDS + 1]]).toEqual([chain[i + 1] ?? 0xffff, chain[0]])
          })
      }
      arena.unhold()
      settle()
      expect(arena.bytesUsed).toBe(live.flat().length * WORDS * 4)
    }),
    { numRuns: 300 },
  )
})
