// A value that goes bad in the cache: whoever meets it is told what passes, nothing of it is read or copied on, and the folder is empty for the next.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { realFiles } from '../files/real-files.ts'
import { flipValue } from '../state/flip-value.fake.ts'
import { LocalCache } from './local-cache.ts'

let folder: string
let cache: LocalCache
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-local-cache-'))
  cache = new LocalCache({ files: realFiles, folder })
  await cache.open()
})
afterEach(async () => {
  await cache.close()
  rmSync(folder, { recursive: true, force: true })
})

const DAMAGED = { code: 'KAFKA_STATE_CACHE_DAMAGED', retryable: true, advice: expect.stringContaining('goes on by itself') }
const keyOf = (n: number) => Buffer.from(`key-${n}`)
const checkpoint = async (epoch: number, n: number) => {
  const open = cache.begin({ epoch })
  open.put(keyOf(n), Buffer.from(`value ${n}`), Buffer.from('i'))
  await open.flush()
  expect(open.bytes).toBeGreaterThan(0)
  await open.finish()
}
const isEmpty = () => readdirSync(folder).length === 0

test('read by its key: an error that may pass, and from then on nothing is read until it was emptied', async () => {
  await checkpoint(1, 1)
  await checkpoint(2, 2)
  expect(String(cache.get(keyOf(1)))).toBe('value 1')
  expect(cache.isDamaged).toBe(false)
  flipValue(folder, (key) => key.equals(keyOf(1)))
  expect(() => cache.get(keyOf(1))).toThrow(expect.objectContaining({ ...DAMAGED, message: expect.stringContaining('wrong checksum') }))
  expect(cache.isDamaged).toBe(true)
  expect(() => cache.get(keyOf(2))).toThrow(expect.objectContaining(DAMAGED))
  expect(() => [...cache.entries()]).toThrow(expect.objectContaining(DAMAGED))
  expect(() => cache.begin({ epoch: 3 })).toThrow(expect.objectContaining(DAMAGED))
  await cache.drop()
  expect(isEmpty()).toBe(true)
  await cache.open()
  expect([cache.isDamaged, cache.header, cache.get(keyOf(1))]).toEqual([false, undefined, undefined])
  await checkpoint(1, 1)
  expect(String(cache.get(keyOf(1)))).toBe('value 1')
})

test('taken along into a newer file: that one is given up', async () => {
  for (let n = 1; n <= 33; n++) await checkpoint(n, n)
  flipValue(folder, (key) => key.equals(keyOf(1)))
  await expect(checkpoint(34, 34)).rejects.toMatchObject(DAMAGED)
  expect(readdirSync(folder)).not.toContain('ckpt-34.ckp')
  expect(cache.isDamaged).toBe(true)
})

test('who closes it without making it anew leaves an empty folder; a sound one stays', async () => {
  await checkpoint(1, 1)
  await cache.close()
  await cache.open()
  expect(String(cache.get(keyOf(1)))).toBe('value 1')
  flipValue(folder)
  expect(() => cache.get(keyOf(1))).toThrow(expect.objectContaining(DAMAGED))
  await cache.close()
  expect(isEmpty()).toBe(true)
})

test('another failure stays what it is', async () => {
  await checkpoint(1, 1)
  expect(() => cache.begin({ epoch: 1 })).toThrow('cannot follow')
  expect(cache.isDamaged).toBe(false)
})
