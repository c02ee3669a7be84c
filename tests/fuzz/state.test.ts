// State as bytes: checkpoint files, users' sessions, keys of record streams, damaged in any way.
import { deserialize, serialize } from 'node:v8'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KeyedState } from '../../engine/state/keyed-state.ts'
import type { StateStore } from '../../engine/state/store.ts'
import { UserCodec } from '../../engine/state/user-codec.ts'
import type { WireEvent } from '../../model/event.ts'
import { Symbols } from '../../model/symbols.ts'
import { traffic } from '../../services/traffic/traffic.ts'
import { openCheckpointStore } from '../../stores/state/checkpoint-store.ts'
import { MemoryStore } from '../../streams/memory-store.ts'
import { operator } from '../../streams/operator.ts'
import { RecordState } from '../../streams/record-state.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import { EngineRun, planEpochs } from '../laws/engine-run.ts'
import { settings } from '../oracle/in-memory.ts'
import { SimDisk, SimFiles } from '../sim/sim-files.ts'
import { codeOf, damage, damaged, flipped, outcome } from './damage.ts'

// ---- files ----

const FOLDER = '/state/task'
const bytes = fc.uint8Array({ maxLength: 60 })
const key = fc.uint8Array({ minLength: 1, maxLength: 8 })
/** Per checkpoint: keys and their values; undefined deletes. */
const checkpoints = fc.array(fc.array(fc.tuple(key, fc.option(bytes, { nil: undefined })), { minLength: 1, maxLength: 6 }), {
  minLength: 1,
  maxLength: 4,
})
type Content = Map<string, string>
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

class Disk {
  readonly disk = new SimDisk()

  open(filesMax: number): Promise<StateStore> {
    return openCheckpointStore({ files: new SimFiles(this.disk), folder: FOLDER, slackBytes: 0, filesMax })
  }

  /** What the store holds after each of them, by epoch; that of no checkpoint first. */
  async fill(all: readonly (readonly (readonly [Uint8Array, Uint8Array | undefined])[])[], store: StateStore): Promise<Content[]> {
    const contents: Content[] = [new Map()]
    for (const [i, entries] of all.entries()) {
      const open = store.begin({ epoch: i + 1 })
      const content = new Map(contents[i])
      for (const [key, value] of entries) {
        if (value) open.put(key, value, Buffer.from('i'))
        else open.delete(key)
        if (value) content.set(hex(key), hex(value))
        else content.delete(hex(key))
      }
      await open.finish()
      contents.push(content)
    }
    return contents
  }
}

const contentOf = (store: StateStore): Content => new Map([...store.entries()].map(([key]) => [hex(key), hex(store.get(key)!)]))

describe('checkpoint files', () => {
  test('come back as they were put', async () => {
    await fc.assert(
      fc.asyncProperty(checkpoints, fc.constantFrom(0, 2, 16), async (all, filesMax) => {
        const under = new Disk()
        const store = await under.open(filesMax)
        const contents = await under.fill(all, store)
        while (await store.maintain());
        expect(contentOf(store)).toEqual(contents.at(-1))
        await store.close()
        const again = await under.open(filesMax)
        expect(again.header).toEqual({ epoch: all.length })
        expect(contentOf(again)).toEqual(contents.at(-1))
      }),
    )
  })

  test('one damaged in any way: the state of the newest whole checkpoint, or STATE_CORRUPT; never another', async () => {
    const met: Record<string, number> = {}
    await fc.assert(
      fc.asyncProperty(checkpoints, fc.nat(), damage, async (all, at, how) => {
        const under = new Disk()
        const store = await under.open(16)
        const contents = await under.fill(all, store)
        await store.close()
        const epoch = 1 + (at % all.length)
        const path = `${FOLDER}/ckpt-${epoch}.ckp`
        const before = Buffer.from(under.disk.bytes(path))
        const spoilt = damaged(before, how)
        under.disk.files.set(path, { bytes: spoilt, length: spoilt.length, synced: spoilt.length, named: true })
        let result: string
        try {
          const again = await under.open(16)
          const found = (again.header?.epoch as number | undefined) ?? 0
          expect(contentOf(again)).toEqual(contents[found])
          // Whole, or damaged where nothing is in force any more.
          result = found === all.length ? 'right' : 'the one before'
        } catch (error) {
          result = codeOf(error)
          expect(error).toMatchObject({ code: 'STATE_CORRUPT', message: expect.stringContaining(FOLDER) })
        }
        met[result] = (met[result] ?? 0) + 1
      }),
      { numRuns: 300 },
    )
    expect(met.STATE_CORRUPT).toBeGreaterThan(10)
    expect(met['the one before']).toBeGreaterThan(10)
  })

  test('one that goes bad under a running process is met as STATE_CORRUPT, and does not spread into the files that follow', async () => {
    const met = { right: 0, corrupt: 0 }
    await fc.assert(
      fc.asyncProperty(checkpoints, fc.nat(), flipped, async (all, at, how) => {
        const under = new Disk()
        const store = await under.open(0)
        const contents = await under.fill(all, store)
        const path = `${FOLDER}/ckpt-${1 + (at % all.length)}.ckp`
        if (!under.disk.files.has(path)) return
        const bytes = under.disk.bytes(path)
        bytes.set(damaged(bytes, how))
        const expected = contents.at(-1)!
        const readAll = (from: StateStore) => {
          for (const [key, value] of expected) {
            const read = outcome(() => hex(from.get(Buffer.from(key, 'hex'))!))
            expect([{ value }, { code: 'STATE_CORRUPT' }]).toContainEqual(read)
            met['value' in read ? 'right' : 'corrupt']++
          }
        }
        readAll(store)
        // What is in force of the oldest file is taken along into each of these.
        for (let epoch = all.length + 1; epoch < all.length + 4; epoch++) {
          const open = store.begin({ epoch })
          open.put(Buffer.from('another key'), Buffer.alloc(1), Buffer.alloc(0))
          const failed = await open.finish().then(
            () => undefined,
            (error: unknown) => codeOf(error),
          )
          expect([undefined, 'STATE_CORRUPT']).toContain(failed)
          while (await store.maintain());
          readAll(store)
        }
        await store.close()
        const again = await under.open(0).catch((error: unknown) => codeOf(error))
        if (typeof again === 'string') expect(again).toBe('STATE_CORRUPT')
        else readAll(again)
      }),
      { numRuns: 300 },
    )
    expect(met.right).toBeGreaterThan(100)
    expect(met.corrupt).toBeGreaterThan(20)
  })
})

// ---- users ----

const { pipeline } = clickstream(settings)

/** Stored sessions of many users, some of them with hundreds of events. */
async function storedUsers(): Promise<Uint8Array[]> {
  const store = new MemoryStore()
  const text = Buffer.from(traffic({ seed: 3, events: 5000, orgs: 1, users: 200, disorder: 0.1 }).nextChunk(5000)!).toString()
  const events = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as WireEvent)
  const run = new EngineRun(pipeline, events, store)
  const plans = planEpochs(events.length, () => 200)
  for (const plan of plans) run.compute(plan)
  await run.checkpoint(plans.at(-1)!)
  // Actors have no value.
  return [...store.entries()].map(([key]) => Uint8Array.from(store.get(key)!)).filter(({ length }) => length > 0)
}

/** Brings the bytes into an empty state; the user's sessions, oldest first. */
function decoded(stored: Uint8Array) {
  const state = new KeyedState(pipeline.folds, pipeline.sessionFold)
  const symbols = new Symbols()
  const codec = new UserCodec(state)
  const user = state.users.addKey(0, Buffer.from('u:user'))
  const before = state.bytesUsed()
  return {
    symbols,
    codec,
    decode: () => {
      codec.decode(user, stored, symbols)
      return state.listSessions(user, [])
    },
    grownBy: () =>
      state.bytesUsed() - before + Object.values(symbols).reduce((sum, own) => sum + (ArrayBuffer.isView(own) ? own.byteLength : 0), 0),
  }
}

const recoded = (stored: Uint8Array): Uint8Array => {
  const { codec, symbols, decode } = decoded(stored)
  return Uint8Array.from(codec.encode(decode(), symbols))
}

describe('a user’s sessions', async () => {
  const users = await storedUsers()
  const user = fc.nat(users.length - 1).map((at) => users[at])

  test('are many, of all sizes', () => {
    expect(users.length).toBeGreaterThan(20)
    expect(Math.max(...users.map(({ length }) => length))).toBeGreaterThan(5000)
  })

  test('come back as they were: what was brought back is stored as the same bytes', () => {
    // Symbols have other numbers in another table: from the second time on they are the same.
    for (const stored of users) {
      const once = recoded(stored)
      expect(once.length).toBe(stored.length)
      expect(Buffer.compare(recoded(once), once)).toBe(0)
    }
  })

  test('damaged in any way, with no checksum to refuse them: STATE_CORRUPT or some sessions, in bounded memory', () => {
    const met = { corrupt: 0, decoded: 0 }
    fc.assert(
      fc.property(user, fc.array(damage, { minLength: 1, maxLength: 3 }), (stored, all) => {
        const spoilt = all.reduce<Uint8Array>(damaged, stored)
        const { decode, grownBy } = decoded(spoilt)
        const result = outcome(decode)
        if ('code' in result) {
          expect(result.code).toBe('STATE_CORRUPT')
          met.corrupt++
        } else met.decoded++
        // Texts and chunks are kept in blocks: more than the bytes, and no more than some times.
        expect(grownBy()).toBeLessThan(100_000 + 20 * spoilt.length)
      }),
      { numRuns: 1000 },
    )
    expect(met.corrupt).toBeGreaterThan(100)
    expect(met.decoded).toBeGreaterThan(20)
  })

  test('that are shorter or longer than they say: STATE_CORRUPT', () => {
    for (const stored of users) {
      for (const share of [0, 0.1, 0.5, 0.99]) {
        const cut = stored.slice(0, Math.floor(stored.length * share))
        expect(outcome(decoded(cut).decode)).toEqual({ code: 'STATE_CORRUPT' })
      }
      expect(outcome(decoded(Buffer.concat([stored, Buffer.alloc(4)])).decode)).toEqual({ code: 'STATE_CORRUPT' })
    }
  })
})

// ---- record streams ----

const sums = operator({ name: 'sums', state: () => ({ n: 0 }), onRecord: (state) => void state.n++, nextTimerMs: () => 5 })

const NOTHING = new Uint8Array(0)
/** Any that JSON can hold: also with halves of surrogate pairs. */
const text = fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units))

async function storeWith(key: Uint8Array, value: Uint8Array, index: Uint8Array): Promise<MemoryStore> {
  const store = new MemoryStore()
  const open = store.begin({ epoch: 1 })
  open.put(key, value, index)
  await open.finish()
  return store
}

describe('keys of record streams', () => {
  test('come back as they were', async () => {
    await fc.assert(
      fc.asyncProperty(text, fc.integer(), async (name, n) => {
        const store = new MemoryStore()
        const state = new RecordState([sums], store)
        const entry = state.touch(name)
        entry.slots = [{ n }]
        state.setDue(entry, 7)
        state.addPending({ offset: 1, timeMs: 2, upstream: 0, key: name, text: name, value: undefined })
        state.settle()
        state.begin({ epoch: 1 })
        while (!(await state.slice(1)));
        await state.finish()
        const again = new RecordState([sums], store)
        expect(again.touch(name).slots).toEqual([{ n }])
        expect(again.dueMs(name)).toBe(7)
        expect(again.popPending()).toMatchObject({ offset: 1, timeMs: 2, upstream: 0, key: name, text: name })
      }),
    )
  })

  test('damaged in any way, with no checksum to refuse them: STATE_CORRUPT or some value', async () => {
    const met = { corrupt: 0, decoded: 0 }
    const state = fc.anything({ withDate: true, withMap: true, withSet: true, withTypedArray: true })
    await fc.assert(
      fc.asyncProperty(state, fc.constantFrom('a key', 'a timer', 'a record that waits'), damage, async (value, what, how) => {
        let stored: Uint8Array
        try {
          stored =
            what === 'a key' ? serialize(['sums', 1, value]) : what === 'a timer' ? new Uint8Array(8) : serialize([1, 2, 0, 'k', '{}'])
        } catch {
          return // no state: a function, a symbol
        }
        const spoilt = damaged(stored, how)
        const key = what === 'a record that waits' ? Buffer.concat([Buffer.from('w'), Buffer.alloc(8)]) : Buffer.from('kk')
        const store = what === 'a key' ? await storeWith(key, spoilt, NOTHING) : await storeWith(key, NOTHING, spoilt)
        const result = outcome(() => new RecordState([sums], store).touch('k').slots)
        if ('code' in result) {
          // A changed version number is another version.
          expect(['STATE_CORRUPT', 'STATE_VERSION_UNKNOWN']).toContain(result.code)
          met.corrupt++
        } else met.decoded++
      }),
      { numRuns: 2000 },
    )
    expect(met.corrupt).toBeGreaterThan(100)
    expect(met.decoded).toBeGreaterThan(20)
  })

  test('what another program serialized there is STATE_CORRUPT', async () => {
    for (const value of [null, 1, 'text', {}, [], ['sums', 1], new Map()]) {
      expect(deserialize(serialize(value))).toEqual(value)
      const store = await storeWith(Buffer.from('kk'), serialize(value), NOTHING)
      expect(outcome(() => new RecordState([sums], store).touch('k'))).toEqual({ code: 'STATE_CORRUPT' })
    }
  })
})
