// Vitest's global setup: tells the workers whose run this is, and stops at its end the servers that were started for it.
import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kafkaFolder, serversFolder } from '../dev/cache-folder.ts'
import { isAlive, runningKafka, stopKafka } from '../dev/kafka/server.ts'

export function setup(): void {
  process.env.TEST_RUN_PID = String(process.pid)
  // Processes and threads that tests start strip and compile the same sources again and again: a quarter of what they cost. `packmill` uses this one, too.
  process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'node-compile-cache')
}

export async function teardown(): Promise<void> {
  if (!existsSync(serversFolder)) return
  for (const name of readdirSync(serversFolder)) {
    const folder = join(serversFolder, name)
    // The developer's is nobody else's to stop.
    const kafka = folder === kafkaFolder ? undefined : await runningKafka(folder)
    // One of a run that was killed is nobody's any more.
    if (kafka && (kafka.startedBy === process.pid || !isAlive(kafka.startedBy ?? 0))) await stopKafka(kafka, true)
  }
}
