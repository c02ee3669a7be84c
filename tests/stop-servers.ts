// Vitest's global setup: tells the workers whose run this is, and stops at its end the servers that were started for it.
import { testKafkaFolder } from '../dev/cache-folder.ts'
import { isAlive, runningKafka, stopKafka } from '../dev/kafka/server.ts'

export function setup(): void {
  process.env.TEST_RUN_PID = String(process.pid)
}

export async function teardown(): Promise<void> {
  const kafka = await runningKafka(testKafkaFolder)
  // One of a run that was killed is nobody's: stopped, too.
  if (kafka && (kafka.startedBy === process.pid || !isAlive(kafka.startedBy ?? 0))) await stopKafka(kafka, true)
}
