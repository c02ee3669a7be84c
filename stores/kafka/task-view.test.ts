// What a read of the input brings along is asked of nobody else.
import { expect, test } from 'vitest'
import type { KafkaLog } from './kafka-log.ts'
import { taskView } from './task-view.ts'

test('bounds after a read are those that it brought, once; where the log begins is kept', async () => {
  const at = { topic: 'events.raw', partition: 0 }
  const blocks = [{ baseOffset: 7, count: 2, pos: 0, length: 0 }]
  const reader = { bounds: { start: 5, end: 12 }, read: async () => ({ bytes: Buffer.alloc(0), blocks, next: 9 }), close: () => undefined }
  const asked = { start: 1, end: 2 }
  const view = taskView({ reader: () => reader, bounds: async () => asked } as unknown as KafkaLog, at, async () => undefined)
  expect(view.start).toBe(0)
  await view.reader(at).read(7, 1000)
  expect(view.start).toBe(5)
  expect([await view.bounds(at), await view.bounds(at)]).toEqual([{ start: 5, end: 12, decided: 12 }, asked])
})

test('a claim waits for what must be ready before it, and is not made where that fails', async () => {
  const order: string[] = []
  const log = { claim: async (name: string) => void order.push(`claim ${name}`) } as unknown as KafkaLog
  let failure: Error | undefined
  const ready = async () => {
    order.push('ready')
    if (failure) throw failure
  }
  const view = taskView(log, { topic: 'events.raw', partition: 0 }, ready)
  await view.claim('task')
  failure = new Error('not yet')
  await expect(view.claim('task')).rejects.toThrow('not yet')
  expect(order).toEqual(['ready', 'claim task', 'ready'])
})
