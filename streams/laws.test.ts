// What holds for any topology: the cut of epochs, the order of arrival, crashes and checkpoints change nothing; what throws leaves no trace.
import fc from 'fast-check'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { MemoryRun } from './memory-run.ts'
import { operator } from './operator.ts'
import { lines, merge, source, type Topology, topology } from './stream.ts'
import { outputsOf, resumeLaw, runTable } from './testing.ts'
import { session, sliding, tumbling } from './window.ts'

interface Order {
  id: number
  user: string
  at: number
}

const orders = (allowedDisorderMs: number) =>
  source('orders', { parse: (value) => value as Order, timeMs: ({ at }) => at, allowedDisorderMs }).keyBy(({ user }) => user)

/** Remembers a sum and forgets it `afterMs` without a record. */
const sums = (name: string, afterMs: number) =>
  operator({
    name,
    state: () => ({ ids: [] as number[], lastMs: 0, seen: new Map<number, number>() }),
    onRecord(state, { id }: { id: number }, { key, timeMs }) {
      state.ids.push(id)
      state.lastMs = timeMs
      state.seen.set(id, timeMs)
      return { key, id, sum: state.ids.reduce((sum, one) => sum + one, 0) }
    },
    nextTimerMs: ({ lastMs }) => lastMs + afterMs,
    onTimer(state, { key, forget, timeMs }) {
      forget()
      return [{ key, id: -state.seen.size, sum: timeMs }]
    },
  })

/** Everything there is: two operators behind each other, windows, a rekey, a merge with what was rekeyed, two branches of one stream. */
const everything = (disorderMs: number) => {
  const input = orders(disorderMs)
  const summed = input.apply(sums('first', 7))
  const odd = summed.filter(({ id }) => id % 2 !== 0).rekey(({ id }) => `${id % 3}`)
  const payments = source('payments', { parse: (value) => value as Order, timeMs: ({ at }) => at }).keyBy(({ user }) => user)
  const both = merge(
    'both',
    input.map(({ id }) => ({ id, from: 'orders' })),
    payments.map(({ id }) => ({ id, from: 'payments' })),
  )
  const count = { init: () => 0, add: (n: number) => n + 1 }
  return topology(
    'everything',
    summed.apply(sums('second', 3)).to('summed'),
    odd.window(session({ gapMs: 5 }), { ...count, name: 'odd', result: (n, w) => ({ ...w, n }) }).to('odd'),
    input.window(tumbling({ sizeMs: 10 }), { ...count, name: 'tumbling', result: (n, w) => ({ ...w, n }) }).to('tumbling'),
    both.window(sliding({ sizeMs: 9, everyMs: 3 }), { ...count, name: 'sliding', result: (n, w) => ({ ...w, n }) }).to('sliding'),
    both.apply(sums('joined', 5)).to('joined'),
  )
}

const records = (size: number) =>
  fc
    .array(fc.record({ user: fc.constantFrom('a', 'b', 'ü"'), at: fc.integer({ min: 0, max: 80 }) }), { maxLength: size })
    .map((list) => list.map((record, id): Order => ({ ...record, id })))
/** In order, and then each put off by at most `disorderMs`. */
const disordered = (size: number, disorderMs: number) =>
  fc.tuple(records(size), fc.array(fc.integer({ min: 0, max: disorderMs }), { minLength: size, maxLength: size })).map(([list, delays]) => {
    const inOrder = [...list].sort((a, b) => a.at - b.at || a.id - b.id)
    const arrival = inOrder.map((record, i) => ({ record, at: record.at + delays[i] }))
    return { inOrder, arriving: arrival.sort((a, b) => a.at - b.at).map(({ record }) => record) }
  })

test('any cut into epochs gives the same', () => {
  fc.assert(
    fc.property(
      records(25),
      records(15),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 0, max: 40 }),
      (orders, payments, rows, disorderMs) => {
        const input = { orders, payments }
        expect(runTable(everything(disorderMs), input, { rows })).toEqual(runTable(everything(disorderMs), input))
      },
    ),
    { numRuns: 150 },
  )
})

test('any order of arrival within the allowed disorder gives the same', () => {
  fc.assert(
    fc.property(disordered(30, 12), ({ inOrder, arriving }) => {
      // Records of one time stay in the order in which they came, so each has a time of its own.
      const apart = (list: Order[]) =>
        list.map((order) => ({ ...order, at: order.at * 100 + inOrder.findIndex(({ id }) => id === order.id) }))
      const result = runTable(everything(1300), { orders: apart(arriving) })
      expect(result).toEqual(runTable(everything(1300), { orders: apart(inOrder) }))
      expect(result.late).toEqual([])
    }),
    { numRuns: 150 },
  )
})

test('streams that are merged come in order of time, whoever was quicker', () => {
  fc.assert(
    fc.property(records(20), records(20), fc.array(fc.integer({ min: 0, max: 3 })), (orders, payments, turns) => {
      const run = new MemoryRun(everything(0))
      run.append('orders', orders)
      run.append('payments', payments)
      for (const stage of turns) if (run.waiting(stage) > 0) run.step(stage, 2)
      run.close(3)
      // Two pipelines write what is late: which of them was quicker shows there, and nowhere else.
      const byPipeline = ({ late, ...rest }: ReturnType<typeof outputsOf>) => ({
        ...rest,
        late: ['orders', 'payments'].map((topic) => late.filter(({ pipeline }) => pipeline === topic)),
      })
      expect(byPipeline(outputsOf(run, everything(0)))).toEqual(byPipeline(runTable(everything(0), { orders, payments })))
    }),
    { numRuns: 150 },
  )
})

describe('the resume law', () => {
  test('holds at every cut of a topology with everything', async () => {
    await fc.assert(
      fc.asyncProperty(
        records(10),
        records(6),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 30 }),
        (orders, payments, rows, disorderMs) => resumeLaw(() => everything(disorderMs), { orders, payments }, { rows }),
      ),
      { numRuns: 25 },
    )
  })

  test('finds a variable outside of the state, by the record that differs', async () => {
    const make = () => {
      let seen = 0
      const counting = operator({ name: 'counting', state: () => ({}), onRecord: (_, { id }: Order) => ({ id, seen: ++seen }) })
      return topology('bad', orders(0).apply(counting).to('counted'))
    }
    const input = { orders: [0, 1, 2].map((id) => ({ id, user: 'a', at: id })) }
    await expect(resumeLaw(make, input)).rejects.toThrow(
      'stopped after 1 of 4 epochs with a checkpoint: record 1 of counted is {"id":1,"seen":1}',
    )
  })

  test('finds what is no function of the records, by its receipt', async () => {
    let clock = 0
    const make = () =>
      topology(
        'bad',
        orders(0)
          .map(({ id }) => ({ id, now: clock++ }))
          .to('timed'),
      )
    const run = new MemoryRun(make())
    run.append('orders', [{ id: 1, user: 'a', at: 1 }])
    run.settle()
    expect(() => run.restart(make())).toThrow('epoch 1 of orders, computed again, differs in topic timed: 1 records of other content')
  })

  test('finds a state that does not come back as it was', async () => {
    class Purse {
      coins = 0
      add(n: number) {
        this.coins += n
      }
    }
    const purse = operator({
      name: 'purse',
      state: () => ({ purse: new Purse() }),
      onRecord(state, { id }: Order) {
        state.purse.add(id)
        return { coins: state.purse.coins }
      },
    })
    const input = { orders: [1, 2].map((id) => ({ id, user: 'a', at: id })) }
    await expect(resumeLaw(() => topology('bad', orders(0).apply(purse).to('coins')), input)).rejects.toThrow(
      'record 1 of coins is missing',
    )
  })
})

describe('what throws', () => {
  const touchy = operator({
    name: 'touchy',
    state: () => ({ good: [] as number[], atMs: Number.POSITIVE_INFINITY }),
    onRecord(state, { id, at }: Order) {
      state.good.push(id)
      if (id % 5 === 3) throw new RangeError(`no ${id}`)
      if (id % 7 === 6) state.atMs = at + 2
      return { id, good: [...state.good] }
    },
    nextTimerMs: ({ atMs }) => atMs,
    onTimer(state) {
      if (state.good.length % 2 === 1) throw new Error('odd')
      state.atMs = Number.POSITIVE_INFINITY
      return { id: -1, good: state.good }
    },
  })
  const make = (disorderMs = 0) => topology('touchy', orders(disorderMs).apply(touchy).to('good'))

  test('leaves no trace: what comes out is what comes out without it', () => {
    fc.assert(
      fc.property(records(30), fc.integer({ min: 1, max: 31 }), fc.integer({ min: 0, max: 90 }), (input, rows, disorderMs) => {
        // Without disorder that makes a record late its absence cannot make another one early.
        const all = runTable(make(90), { orders: input }, { rows })
        const without = runTable(make(90), { orders: input.filter(({ id }) => id % 5 !== 3) }, { rows: 1 })
        expect(all.good).toEqual(without.good)
        const thrown = all.deadLetters.filter(({ code }) => code === 'OPERATOR_THREW')
        expect(thrown.map(({ record }) => (JSON.parse(record) as Order).id).sort((a, b) => a - b)).toEqual(
          input.filter(({ id }) => id % 5 === 3).map(({ id }) => id),
        )
        const cut = runTable(make(disorderMs), { orders: input }, { rows })
        expect(cut).toEqual(runTable(make(disorderMs), { orders: input }))
      }),
      { numRuns: 150 },
    )
  })

  test('is passed over in the same way by who computes the epoch again', async () => {
    await fc.assert(
      fc.asyncProperty(records(14), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 60 }), (input, rows, disorderMs) =>
        resumeLaw(() => make(disorderMs), { orders: input }, { rows }),
      ),
      { numRuns: 40 },
    )
  })

  test('leaves no trace in records that waited: what a step changed in them in place is undone too', async () => {
    const make = () =>
      topology(
        'doubling',
        orders(100)
          .map((order) => {
            order.id *= 2
            if (order.user === 'bad') throw new Error('bad')
            return order
          })
          .to('doubled'),
      )
    const waiting = { id: 1, user: 'a', at: 1 }
    const rest = [
      { id: 2, user: 'bad', at: 2 },
      { id: 3, user: 'a', at: 1000 },
    ]
    const doubled = [
      { ...waiting, id: 2 },
      { ...rest[1], id: 6 },
    ]
    expect(runTable(make(), { orders: [waiting, ...rest] }, { rows: 1 }).doubled).toEqual(doubled)
    await resumeLaw(make, { orders: [waiting, ...rest] })
  })

  test('a timer that throws costs its key, and nobody else', () => {
    const input = [
      { id: 6, user: 'a', at: 1 },
      { id: 1, user: 'b', at: 2 },
      { id: 2, user: 'b', at: 9 },
      { id: 4, user: 'a', at: 10 },
    ]
    const { good, deadLetters } = runTable(make(), { orders: input })
    expect(good.at(-1)).toEqual({ id: 4, good: [4] })
    expect(good.at(-2)).toEqual({ id: 2, good: [1, 2] })
    expect(deadLetters).toEqual([
      expect.objectContaining({ code: 'KEY_FORGOTTEN', message: 'Error: odd', record: expect.stringContaining('"timerMs":3') }),
    ])
  })

  test('a result of more than a topic takes: its record is a dead letter, the one before is not', () => {
    const long = topology(
      'long',
      orders(0)
        .map(({ id, at }) => ({ id, text: 'ä'.repeat(at) }))
        .to('texts'),
    )
    const { texts, deadLetters } = runTable(long, {
      orders: [
        { id: 2, user: 'a', at: 449_000 },
        { id: 3, user: 'a', at: 450_001 },
      ],
    })
    expect(texts).toMatchObject([{ id: 2 }])
    expect(deadLetters).toMatchObject([
      { code: 'OPERATOR_THREW', message: expect.stringMatching(/^RangeError: a record of a topic takes 900000 bytes/) },
    ])
  })

  test('also a state that cannot be kept, and a record that is no JSON', () => {
    const odd = operator({
      name: 'odd',
      state: () => ({ f: undefined as unknown }),
      onRecord(state, { id }: Order) {
        if (id === 1) state.f = () => id
        return id === 2 ? undefined : { id }
      },
    })
    const input = orders(0)
    const broken = topology(
      'odd',
      input.apply(odd).to('ids'),
      input
        .filter(({ id }) => id === 0)
        .map(() => undefined)
        .to('nothing'),
    )
    const records = [0, 1, 2, 3].map((id) => ({ id, user: 'a', at: id }))
    const { ids, nothing, deadLetters } = runTable(broken, { orders: records })
    expect(nothing).toEqual([])
    // Record 0 is in no topic, since it could not be in one of two.
    expect(ids).toEqual([{ id: 3 }])
    expect(deadLetters.map(({ code, message }) => `${code} ${message}`)).toEqual([
      'OPERATOR_THREW TypeError: a record of a topic must be JSON, and this is undefined',
      expect.stringMatching(/^OPERATOR_THREW .*could not be cloned/),
    ])
  })

  test('a record that is none is named, with the place that is wrong', async () => {
    const { Type } = await import('./index.ts')
    const typed = source('typed', { schema: Type.Object({ user: Type.String(), n: Type.Number() }), timeMs: ({ n }) => n })
    expectTypeOf(typed.map((record) => record).to('x').record!).toEqualTypeOf<{ user: string; n: number }>()
    const { deadLetters, x } = runTable(topology('typed', typed.map(({ n }) => n).to('x')), {
      typed: [{ user: 'a', n: 1 }, { user: 'a', n: 'b' }, { user: 'a', n: 1.5 }, 7],
    })
    expectTypeOf(x).toEqualTypeOf<number[]>()
    expect(x).toEqual([1])
    expect(deadLetters.map(({ code, message }) => [code, message])).toEqual([
      ['INVALID', 'TypeError: /n must be number'],
      ['INVALID', 'TypeError: timeMs is 1.5; it must be whole milliseconds'],
      ['INVALID', 'TypeError: the record must be object'],
    ])
  })
})

test('types go from the source to the records of a topic, through what a handler returns, one or many or nothing', () => {
  const input = orders(0)
  const one = operator({ name: 'one', state: () => ({}), onRecord: (_, { id }: Order) => (id > 1 ? { id } : undefined) })
  const many = operator({
    name: 'many',
    state: () => ({}),
    onRecord: (_, { id }: { id: number }, { key }) => [key, `${id}`],
    nextTimerMs: () => Number.POSITIVE_INFINITY,
    onTimer: () => 7,
  })
  const counted = input.window(tumbling({ sizeMs: 1 }), { name: 'n', init: () => 0, add: (n) => n + 1, result: (n) => ({ n }) })
  const typed = topology('typed', input.apply(one).to('one'), input.apply(many).to('many'), counted.map(({ n }) => [n]).to('counts'))
  const result = runTable(typed, { orders: [{ id: 2, user: 'a', at: 1 }] })
  expectTypeOf(result.one).toEqualTypeOf<{ id: number }[]>()
  expectTypeOf(result.many).toEqualTypeOf<(string | number)[]>()
  expectTypeOf(result.counts).toEqualTypeOf<number[][]>()
  expect(result).toMatchObject({ one: [{ id: 2 }], many: ['a', '2'], counts: [[1]] })
})

describe('versions of a state', () => {
  const version = (stateVersion: number, migrate?: (old: unknown, from: number) => { total: number }) =>
    topology(
      'versions',
      orders(0)
        .apply(
          operator({
            name: 'totals',
            stateVersion,
            state: () => ({ total: 0 }),
            onRecord(state, { id }: Order) {
              state.total += id
              return { total: state.total }
            },
            migrate,
          }),
        )
        .to('totals'),
    )
  const afterOne = async (stateVersion: number) => {
    const run = new MemoryRun(version(stateVersion))
    run.append('orders', [{ id: 5, user: 'a', at: 1 }])
    run.settle()
    await run.checkpoint()
    run.append('orders', [{ id: 2, user: 'a', at: 2 }])
    return run
  }

  test('the old is read by migrate, key by key', async () => {
    const run = await afterOne(1)
    const next = version(2, (old, from) => ({ total: (old as { total: number }).total * 100 * from }))
    run.restart(next)
    run.settle()
    expect(outputsOf(run, next).totals).toEqual([{ total: 5 }, { total: 502 }])
  })

  test('one that is not known is refused, by the name of its operator', async () => {
    const refused = (error: unknown) => (error as { code: string; message: string }).message
    const older = await afterOne(3)
    expect.assertions(2)
    try {
      older.restart(version(2, () => ({ total: 0 })))
    } catch (error) {
      expect(refused(error)).toBe('the state of operator totals is of stateVersion 3, this totals has stateVersion 2')
    }
    try {
      ;(await afterOne(1)).restart(version(2))
    } catch (error) {
      expect(refused(error)).toBe('the state of operator totals is of stateVersion 1, this totals has stateVersion 2 and no migrate')
    }
  })
})

describe('a topology that cannot run is refused', () => {
  const text = lines('text')
  const refused = (make: () => Topology) => {
    try {
      make()
    } catch (error) {
      return (error as Error).message
    }
  }
  test.each<[string, () => Topology]>([
    ['its name may have letters', () => topology('a b', text.to('out'))],
    ['it has no branch', () => topology('empty')],
    ['text is read by it, and written too', () => topology('loop', text.to('text'))],
    ['is where it puts what it cannot process', () => topology('x', text.to('x.dlq'))],
    ['a stream goes to out twice', () => topology('x', text.to('out'), text.to('out'))],
    ['text is a source twice', () => topology('x', text.to('a'), lines('text').to('b'))],
    ['two operators are called same', () => topology('x', orders(0).apply(sums('same', 1)).apply(sums('same', 2)).to('out'))],
  ])('%s', (message, make) => {
    expect(refused(make)).toContain(message)
  })
})

test('time goes on by the clock where nothing comes in, and only then', () => {
  const idle = topology(
    'idle',
    source('orders', { parse: (value) => value as Order, timeMs: ({ at }) => at, idleTimeoutMs: 100 })
      .keyBy(({ user }) => user)
      .window(tumbling({ sizeMs: 1000 }), { name: 'n', init: () => 0, add: (n) => n + 1, result: (n) => n })
      .to('counts'),
  )
  const run = new MemoryRun(idle)
  run.append('orders', [{ id: 1, user: 'a', at: 500 }])
  // Read at 10,000: the window's last moment, 999, is passed 500 ms after the timeout.
  run.tick(10_000)
  expect(run.nextIdleMs).toBe(10_000 + 100 + 500)
  run.tick(10_599)
  expect(outputsOf(run, idle).counts).toEqual([])
  run.tick(10_600)
  expect(outputsOf(run, idle).counts).toEqual([1])
})
