// The broker for suites that need one: the developer's where it is running, else one that this test run starts, once for all of its workers, and
// stops at its end (tests/stop-servers.ts).
//   const kafka = await kafkaServer()
//   describe.runIf(kafka)('…', () => { … kafka!.broker … })
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { kafkaFolder, testKafkaFolder } from '../dev/cache-folder.ts'
import { cachedKafka } from '../dev/kafka/artefacts.ts'
import { isAlive, type KafkaServer, runningKafka, startKafka } from '../dev/kafka/server.ts'
import { needs } from './require.ts'

const cure = 'npm run dev:servers -- up'
const lockPath = `${testKafkaFolder}.lock`

/** Undefined, said by name, where there is none; under PACKMILL_REQUIRE_ALL=1 it is fetched and started, or the run fails. */
export async function kafkaServer(): Promise<KafkaServer | undefined> {
  const developers = await runningKafka(kafkaFolder)
  if (developers) return developers
  // Nobody's test run downloads what they did not ask for.
  const mayFetch = process.env.PACKMILL_REQUIRE_ALL === '1'
  if (!mayFetch && !needs('Apache Kafka', cachedKafka() !== undefined, cure)) return undefined
  try {
    return await startOnce()
  } catch (error) {
    needs('Apache Kafka', false, `${cure}\n${(error as Error).message}`)
    return undefined
  }
}

/** Whoever holds the lock starts it, the other workers find it running. */
async function startOnce(): Promise<KafkaServer> {
  mkdirSync(dirname(lockPath), { recursive: true })
  for (;;) {
    const running = await runningKafka(testKafkaFolder)
    if (running) return running
    if (takeLock()) {
      try {
        rmSync(testKafkaFolder, { recursive: true, force: true })
        return await startKafka(testKafkaFolder, Number(process.env.TEST_RUN_PID))
      } finally {
        rmSync(lockPath, { force: true })
      }
    }
    await sleep(100)
  }
}

function takeLock(): boolean {
  try {
    const lock = openSync(lockPath, 'wx')
    writeSync(lock, String(process.pid))
    closeSync(lock)
    return true
  } catch {
    const holder = Number(readLock())
    // Of a run that was killed.
    if (holder > 0 && !isAlive(holder)) rmSync(lockPath, { force: true })
    return false
  }
}

function readLock(): string {
  try {
    return readFileSync(lockPath, 'utf8')
  } catch {
    return ''
  }
}
