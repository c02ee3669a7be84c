// The decoding of one file, as the main thread hears it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FromDecoder, ToDecoder } from './decode-protocol.ts'
import decodeFile from './decode-worker.ts'
import { BATCH_BYTES } from './line-decoder.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-decode-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function decode(path: string, batchesAhead: number) {
  const { port1, port2 } = new MessageChannel()
  const heard: FromDecoder[] = []
  let wake = () => {}
  port1.on('message', (message: FromDecoder) => {
    heard.push(message)
    wake()
  })
  const batches = () => heard.flatMap((message) => (message.type === 'batch' ? [message.batch] : []))
  return {
    ended: decodeFile({ port: port2, order: { path, partitions: 2, lines: {}, batchesAhead } }),
    say: (message: ToDecoder) => port1.postMessage(message),
    heard,
    batches,
    until: async (done: () => boolean) => {
      while (!done()) await new Promise<void>((resolve) => (wake = resolve))
    },
  }
}

test('it runs ahead by so many batches, and by one more for each that is committed', async () => {
  const line = `${JSON.stringify({ orgId: 'o', productId: 'p', userId: 'u', type: 'custom', ts: 1, properties: { text: 'x'.repeat(20_000) } })}\n`
  const path = join(folder, 'large.jsonl')
  const lines = Math.ceil((BATCH_BYTES * 5) / line.length)
  writeFileSync(path, line.repeat(lines))
  const { ended, say, heard, batches, until } = decode(path, 2)
  await until(() => heard.some(({ type }) => type === 'name'))
  say({ type: 'start', last: undefined })
  const given = async (count: number) => {
    await until(() => batches().length >= count)
    // Time for more, if there were more.
    for (let i = 0; i < 300; i++) await turn()
    return batches().length
  }
  expect(await given(2)).toBe(2)
  say({ type: 'give', records: batches()[0]!.records })
  expect(await given(3)).toBe(3)
  for (let next = 1; !heard.some(({ type }) => type === 'ended'); next++) {
    say({ type: 'give', records: batches()[next]!.records })
    await until(() => batches().length > next + 2 || heard.some(({ type }) => type === 'ended'))
  }
  // Its thread is free for another file when everything of this one is committed.
  let isOver = false
  void ended.then(() => (isOver = true))
  for (let i = 0; i < 50; i++) await turn()
  expect(isOver).toBe(false)
  say({ type: 'give', records: [] })
  say({ type: 'give', records: [] })
  await ended
  expect(batches().at(-1)!.receipt).toMatchObject({ lines, accepted: lines, rejected: 0, complete: true })
})

test('a file that cannot be read: the code, and no batch', async () => {
  const { ended, heard } = decode(join(folder, 'missing.jsonl'), 2)
  await ended
  await turn()
  expect(heard).toEqual([{ type: 'ended', error: expect.objectContaining({ code: 'INPUT_MISSING' }) }])
})
