// A partition that is taken from a broker that takes everything and answers nothing, and that goes again meanwhile.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { sessionStage } from '../../engine/lane/session-computer.ts'
import { retentionDefaults } from '../../stores/log/retention.ts'
import { settings } from '../../tests/oracle/in-memory.ts'
import { clickstream } from '../../topologies/clickstream.ts'
import { KafkaLane } from './kafka-lane.ts'
import { LaneBeat } from './lane-beat.ts'

it('one that is lost while its broker does not answer is gone at once, and a stop does not wait for it', async () => {
  const accepted: Socket[] = []
  const asked = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    accepted.push(socket.on('error', () => undefined))
    socket.once('data', () => asked.resolve())
  }).listen(0, 'localhost')
  await once(server, 'listening')
  const folder = mkdtempSync(join(tmpdir(), 'packmill-lane-'))
  const connection = { brokers: [`localhost:${(server.address() as AddressInfo).port}`] }
  const kafka = { log: { connection, topicPrefix: 'test.', namespace: 'test' }, partitions: 1 }
  const heard: string[] = []
  const lane = new KafkaLane({
    setup: {
      ...{ folder, lineage: 'main', code: 'v1', partitions: [0], stages: 1, live: false, exactlyOnce: true, kafka },
      ...{ epochMs: 1, epochBytes: 1 << 16, checkpointBytes: 1 << 20, cacheBytes: 1 << 20, retention: retentionDefaults },
    },
    stage: sessionStage(clickstream(settings)),
    folder: 'clickstream',
    beatOf: () => new LaneBeat(LaneBeat.buffer(1)).of(0, 'nobody'),
    onRestoring: () => heard.push('restoring'),
    onRecovering: () => heard.push('recovering'),
    onStopped: () => heard.push('stopped'),
    onWaiting: () => heard.push('waiting'),
    onResumed: () => heard.push('resumed'),
    onOverdue: () => heard.push('overdue'),
  })
  try {
    const taken = lane.take(0)
    await asked.promise
    const left = lane.leave(0)
    await lane.drop(0)
    await Promise.all([taken, left])
    await lane.stop()
    expect(heard).toEqual([])
  } finally {
    for (const socket of accepted) socket.destroy()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  }
}, 15_000)
