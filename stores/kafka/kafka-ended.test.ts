// A log and a state whose broker takes everything and answers nothing, while they are ended: nobody waits for its answers.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { KafkaLog, type KafkaLogOptions, openKafkaLog } from './kafka-log.ts'
import { openKafkaState } from './kafka-state.ts'

let server: Server
let accepted: Socket[]
let options: KafkaLogOptions
/** Somebody has asked something. */
let asked: Promise<unknown>

beforeEach(async () => {
  accepted = []
  const first = Promise.withResolvers<void>()
  asked = first.promise
  server = createServer((socket) => {
    accepted.push(socket.on('error', () => undefined))
    socket.once('data', () => first.resolve())
  }).listen(0, 'localhost')
  await once(server, 'listening')
  const connection = { brokers: [`localhost:${(server.address() as AddressInfo).port}`] }
  options = { connection, topicPrefix: 'test.', namespace: 'test' }
})
afterEach(() => {
  for (const socket of accepted) socket.destroy()
  server.close()
})

const away = { code: 'KAFKA_UNAVAILABLE', retryable: true }

it('a log that is closed ends what is on its way', async () => {
  const log = new KafkaLog(options)
  const claiming = log.claim('task').catch((error: unknown) => error)
  const looking = log.bounds({ topic: 'events.raw', partition: 0 }).catch((error: unknown) => error)
  await asked
  await log.close()
  expect(await claiming).toMatchObject(away)
  expect(await looking).toMatchObject(away)
})

it('a log that is cut off while it is being opened is not opened', async () => {
  const cutting = new AbortController()
  const opening = openKafkaLog({ ...options, signal: cutting.signal }).catch((error: unknown) => error)
  await asked
  cutting.abort()
  expect(await opening).toMatchObject(away)
})

it('a state that is cut off while it is being opened is not opened', async () => {
  const cutting = new AbortController()
  const folder = mkdtempSync(join(tmpdir(), 'packmill-ended-'))
  try {
    const opening = openKafkaState({ ...options, name: 'task', folder, signal: cutting.signal }).catch((error: unknown) => error)
    await asked
    cutting.abort()
    expect(await opening).toMatchObject(away)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

it('one that was cut off before makes no connection', async () => {
  const log = await openKafkaLog({ ...options, signal: AbortSignal.abort() }).catch((error: unknown) => error)
  expect(log).toMatchObject(away)
  expect(accepted).toEqual([])
})
