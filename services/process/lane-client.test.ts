import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { realFiles } from '../../stores/files/real-files.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { retentionDefaults } from '../../stores/log/retention.ts'
import { LaneClient } from './lane-client.ts'

test('questions to a lane whose thread has failed are answered with why', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-lane-'))
  try {
    const client = new LaneClient(
      {
        name: 'lane-0',
        folder,
        shared: await prepareLog({ files: realFiles, folder: join(folder, 'log'), writers: ['main', 'lane-0'] }),
        topology: { module: 'data:text/javascript,', export: 'missing', settings: {} },
        lineage: 'live',
        code: 'v1',
        partitions: [0],
        stages: 1,
        stallMs: 60_000,
        restartsMax: 20,
        epochMs: 1,
        epochBytes: 1 << 20,
        checkpointBytes: 1 << 20,
        cacheBytes: 1 << 20,
        journalBytes: 1 << 20,
        retention: retentionDefaults,
        live: false,
        exactlyOnce: true,
      },
      { onPartitionStopped: () => undefined },
    )
    const why = { message: expect.stringContaining('is not a function') }
    await expect(client.ended).rejects.toMatchObject(why)
    await expect(client.stats()).rejects.toMatchObject(why)
    await expect(client.drain([[0, 0]], { snapshots: false, close: false })).rejects.toMatchObject(why)
    await expect(client.stop()).rejects.toMatchObject(why)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
