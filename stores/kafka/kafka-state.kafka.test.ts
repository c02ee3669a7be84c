// The state store on Kafka over a real broker: the contract, unchanged, then restoring, fencing and compaction.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type StateStoreUnderTest, stateStoreConformance } from '../../engine/state/store.conformance.ts'
import type { StateStore } from '../../engine/state/store.ts'
import { kafkaServer } from '../../tests/kafka-server.ts'
import { realFiles } from '../files/real-files.ts'
import { flipValue } from '../state/flip-value.fake.ts'
import { deleteTopics } from './delete-topics.ts'
import { TOMBSTONE_MS } from './ensure-topics.ts'
import { kafkaClient } from './kafka-client.ts'
import { type KafkaState, type KafkaStateOptions, openKafkaState, type RestoreProgress } from './kafka-state.ts'
import { type KafkaWorld, kafkaWorld } from './kafka-world.fake.ts'
import { makeTopic } from './make-topic.ts'
import { Names } from './names.ts'
import { TransactionalProducer } from './transactional-producer.ts'

const server = await kafkaServer()
const NAME = 'task.main.clickstream.events.raw.0'

async function kafkaStateUnderTest(broker: string): Promise<StateStoreUnderTest> {
  const root = mkdtempSync(join(tmpdir(), 'packmill-kafka-state-'))
  const { options } = await kafkaWorld(broker)
  let store: StateStore | undefined
  let machines = 0
  let folder = join(root, 'machine-0')
  return {
    async open() {
      store = await openKafkaState({ ...options, name: NAME, folder })
      return store
    },
    // Every second time the task goes on on another machine, which has no cache.
    async crash(seed) {
      await store?.close()
      if (seed % 2) folder = join(root, `machine-${++machines}`)
    },
    dispose: async () => rmSync(root, { recursive: true, force: true }),
  }
}

if (server) stateStoreConformance('Kafka', () => kafkaStateUnderTest(server.broker), 4)

const key = (n: number) => Buffer.from(`org:product:user-${n}`)
const texts = (store: StateStore) =>
  Object.fromEntries([...store.entries()].map(([k]) => [Buffer.from(k).toString(), Buffer.from(store.get(k)!).toString()]))

async function checkpoint(store: StateStore, epoch: number, values: Record<number, string | undefined>): Promise<void> {
  const open = store.begin({ epoch })
  for (const [n, value] of Object.entries(values)) {
    if (value === undefined) open.delete(key(Number(n)))
    else open.put(key(Number(n)), Buffer.from(value), Buffer.from('i'))
  }
  await open.finish()
}

describe.runIf(server)('State on Kafka', () => {
  let world: KafkaWorld
  let root: string
  let open: StateStore[] = []
  beforeEach(async () => {
    world = await kafkaWorld(server!.broker)
    root = mkdtempSync(join(tmpdir(), 'packmill-kafka-state-'))
  })
  afterEach(async () => {
    for (const store of open) await store.close()
    open = []
    rmSync(root, { recursive: true, force: true })
  })

  async function openOn(machine: string, more: Partial<KafkaStateOptions> = {}): Promise<KafkaState> {
    const store = await openKafkaState({ ...world.options, name: NAME, folder: join(root, machine), ...more })
    open.push(store)
    return store
  }
  const told = (progress: RestoreProgress[]) => ({ onRestoring: (one: RestoreProgress) => void progress.push(one) })

  it('is restored whole where there is no cache, and says how that goes on', async () => {
    const store = await openOn('a')
    const values = Object.fromEntries(Array.from({ length: 2500 }, (_, n) => [n, `value ${n}`]))
    await checkpoint(store, 1, values)
    await checkpoint(store, 2, { 7: undefined, 8: 'changed' })
    await store.close()
    const progress: RestoreProgress[] = []
    const other = await openOn('b', told(progress))
    expect(other.header).toEqual({ epoch: 2 })
    const restored = texts(other)
    expect(Object.keys(restored)).toHaveLength(2499)
    expect([restored['org:product:user-7'], restored['org:product:user-8']]).toEqual([undefined, 'changed'])
    const last = progress.at(-1)!
    expect(last).toMatchObject({ rows: 2502, done: last.of })
    expect(last.bytes).toBeGreaterThan(2500 * 20)
    expect(last.rowsPerSecond).toBeGreaterThan(0)
    // What was restored once is there the next time.
    await other.close()
    const again = await openOn('b', told(progress))
    expect(progress.at(-1)!.rows).toBe(0)
    expect(texts(again)).toEqual(restored)
  })

  it('a cache in which the last checkpoint was finished lacks nothing: not even that one is read again', async () => {
    const store = await openOn('a')
    await checkpoint(store, 1, Object.fromEntries(Array.from({ length: 100 }, (_, n) => [n, 'x'])))
    await store.close()
    const progress: RestoreProgress[] = []
    const again = await openOn('a', told(progress))
    expect(progress.map(({ rows }) => rows)).toEqual([0])
    expect(Object.keys(texts(again))).toHaveLength(100)
    await checkpoint(again, 2, { 1: 'two' })
    await again.close()
    const third = await openOn('a')
    expect(texts(third)['org:product:user-1']).toBe('two')
    // Nor does it hide from another what it has.
    await third.close()
    expect(Object.keys(texts(await openOn('b')))).toHaveLength(100)
  })

  it('with a cache only what that may lack is read', async () => {
    const store = await openOn('a')
    await checkpoint(store, 1, Object.fromEntries(Array.from({ length: 500 }, (_, n) => [n, 'x'])))
    await checkpoint(store, 2, { 1: 'two' })
    await store.close()
    const elsewhere = await openOn('b')
    await checkpoint(elsewhere, 3, { 2: 'three', 3: undefined })
    await elsewhere.close()
    const progress: RestoreProgress[] = []
    const back = await openOn('a', told(progress))
    expect(progress.at(-1)!.rows).toBe(3)
    expect(back.header).toEqual({ epoch: 3 })
    const found = texts(back)
    expect(Object.keys(found)).toHaveLength(499)
    expect([found['org:product:user-1'], found['org:product:user-2'], found['org:product:user-3']]).toEqual(['two', 'three', undefined])
  })

  it.each<[string, (folder: string) => Partial<KafkaStateOptions>]>([
    ['older than half of what tombstones are kept', () => ({ nowMs: () => Date.now() + TOMBSTONE_MS / 2 })],
    ['written by a clock that was ahead', () => ({ nowMs: () => Date.now() - 60_000 })],
    [
      'damaged',
      (folder) => {
        for (const name of readdirSync(folder).filter((name) => name.endsWith('.ckp'))) writeFileSync(join(folder, name), 'damaged')
        return {}
      },
    ],
    [
      'damaged in what it lists',
      (folder) => {
        for (const name of readdirSync(folder).filter((name) => name.endsWith('.ckp'))) {
          const bytes = readFileSync(join(folder, name))
          // Behind it is the footer.
          bytes[bytes.length - 33] ^= 1
          writeFileSync(join(folder, name), bytes)
        }
        return {}
      },
    ],
  ])('a cache that is %s is made anew', async (_, spoil) => {
    const store = await openOn('a')
    await checkpoint(store, 1, { 1: 'one', 2: 'two' })
    await checkpoint(store, 2, { 1: 'more' })
    await store.close()
    const progress: RestoreProgress[] = []
    const again = await openOn('a', { ...spoil(join(root, 'a')), ...told(progress) })
    expect(progress.at(-1)!.rows).toBe(3)
    expect(texts(again)).toEqual({ 'org:product:user-1': 'more', 'org:product:user-2': 'two' })
  })

  it('a cache of which one value has gone bad is made anew for its task, which goes on; also where it was only closed', async () => {
    const store = await openOn('a')
    await checkpoint(store, 1, { 1: 'one', 2: 'two' })
    await checkpoint(store, 2, { 2: 'more' })
    const flip = () => flipValue(join(root, 'a'), (found) => found.equals(key(1)))
    expect(flip()).toEqual(key(1))
    const damaged = expect.objectContaining({ code: 'KAFKA_STATE_CACHE_DAMAGED', retryable: true })
    expect(() => store.get(key(1))).toThrow(damaged)
    expect(() => store.begin({ epoch: 3 })).toThrow(damaged)
    await store.mend()
    await store.mend()
    expect(store.header).toEqual({ epoch: 2 })
    expect(texts(store)).toEqual({ 'org:product:user-1': 'one', 'org:product:user-2': 'more' })
    await checkpoint(store, 3, { 3: 'three' })
    const kept = { 'org:product:user-1': 'one', 'org:product:user-2': 'more', 'org:product:user-3': 'three' }
    flip()
    expect(() => store.get(key(1))).toThrow(damaged)
    await store.close()
    const progress: RestoreProgress[] = []
    expect(texts(await openOn('a', told(progress)))).toEqual(kept)
    expect(progress.at(-1)!.rows).toBe(4)
  })

  it('a cache that turns out to be damaged while an open checkpoint has sent to the changelog: that is not committed', async () => {
    const store = await openOn('a')
    await checkpoint(store, 1, { 1: 'one' })
    const half = store.begin({ epoch: 2 })
    half.put(key(2), Buffer.from('half'), Buffer.from('i'))
    await half.flush()
    flipValue(join(root, 'a'))
    expect(() => store.get(key(1))).toThrow(expect.objectContaining({ code: 'KAFKA_STATE_CACHE_DAMAGED' }))
    await store.mend()
    expect(texts(store)).toEqual({ 'org:product:user-1': 'one' })
    await store.close()
    expect(texts(await openOn('b'))).toEqual({ 'org:product:user-1': 'one' })
  })

  it('a cache that cannot be made anew is said as what it is', async () => {
    const store = await openOn('a')
    await checkpoint(store, 1, { 1: 'one' })
    await checkpoint(store, 2, { 1: 'two' })
    await store.close()
    let opened = 0
    const makeFolder = async (path: string) => {
      if (++opened > 1) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
      await realFiles.makeFolder(path)
    }
    const again = openOn('a', { files: { ...realFiles, makeFolder }, nowMs: () => Date.now() + TOMBSTONE_MS })
    await expect(again).rejects.toMatchObject({ code: 'DISK_FULL' })
  })

  it('a cache of a changelog that was deleted and made anew is not taken for its', async () => {
    const store = await openOn('a')
    await checkpoint(store, 1, { 1: 'old' })
    await checkpoint(store, 2, { 1: 'older' })
    await store.close()
    const { topic } = new Names(world.options).state(NAME)
    await world.withAdmin((admin) => deleteTopics(admin, [topic]))
    const other = await openOn('b')
    for (let epoch = 1; epoch <= 4; epoch++) await checkpoint(other, epoch, { 2: 'new' })
    await other.close()
    const back = await openOn('a')
    expect(back.header).toEqual({ epoch: 4 })
    expect(texts(back)).toEqual({ 'org:product:user-2': 'new' })
  })

  it('an owner that was fenced finishes no checkpoint, also one that was open before', async () => {
    const first = await openOn('a')
    await checkpoint(first, 1, { 1: 'one' })
    const late = first.begin({ epoch: 2 })
    late.put(key(1), Buffer.from('late'), Buffer.from('i'))
    await late.flush()
    const second = await openOn('b')
    expect(texts(second)).toEqual({ 'org:product:user-1': 'one' })
    await expect(late.finish()).rejects.toMatchObject({ code: 'FENCED' })
    await expect(checkpoint(first, 3, { 1: 'again' })).rejects.toMatchObject({ code: 'FENCED' })
    await checkpoint(second, 2, { 2: 'two' })
    await second.close()
    expect(texts(await openOn('c'))).toEqual({ 'org:product:user-1': 'one', 'org:product:user-2': 'two' })
  })

  it('a transaction that the broker ended aborts its checkpoint, and the next one works', async () => {
    const store = await openOn('a')
    await checkpoint(store, 1, { 1: 'one' })
    const lost = store.begin({ epoch: 2 })
    lost.put(key(1), Buffer.from('lost'), Buffer.from('i'))
    await lost.flush()
    // Somebody took the id and wrote himself down as nobody: to this owner it is as if the coordinator had ended its transaction.
    const names = new Names(world.options)
    const other = await TransactionalProducer.open({
      kafka: kafkaClient(world.options.connection),
      transactionalId: names.transactionalId(NAME, 'state'),
      transactionTimeoutMs: 60_000,
    })
    await expect(lost.finish()).rejects.toMatchObject({ code: 'KAFKA_TRANSACTION_LOST', retryable: true })
    await other.close()
    expect(texts(store)).toEqual({ 'org:product:user-1': 'one' })
    await checkpoint(store, 2, { 2: 'two' })
    await store.close()
    expect(texts(await openOn('b'))).toEqual({ 'org:product:user-1': 'one', 'org:product:user-2': 'two' })
  })

  it('what is compacted away is not missed', async () => {
    const names = new Names(world.options)
    const { topic } = names.state(NAME)
    const config = {
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.01',
      'delete.retention.ms': '100',
    }
    await world.withAdmin((admin) => makeTopic(admin, { topic, partitions: 1, config }))
    const store = await openOn('a')
    const expected: Record<string, string> = {}
    for (let epoch = 1; epoch <= 30; epoch++) {
      const changes = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [n, (n + epoch) % 3 === 0 ? undefined : `${epoch} ${n}`]))
      await checkpoint(store, epoch, changes)
      for (const [n, value] of Object.entries(changes)) {
        if (value === undefined) delete expected[`org:product:user-${n}`]
        else expected[`org:product:user-${n}`] = value
      }
    }
    await store.close()
    // Each opening writes a record, behind which the cleaner may look at those before; what is restored is right before and after it did.
    const rowsOfRestore = async () => {
      const progress: RestoreProgress[] = []
      const other = await openOn(`machine-${open.length}`, told(progress))
      expect(texts(other)).toEqual(expected)
      expect(other.header).toEqual({ epoch: 30 })
      await other.close()
      return progress.at(-1)!.rows
    }
    await expect.poll(rowsOfRestore, { timeout: 40_000, interval: 300 }).toBeLessThan(200)
  })
})
