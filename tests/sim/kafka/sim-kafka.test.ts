// The log and the state store on the simulated broker keep the contracts that those on a real one keep: what the simulator proves by them is then no matter of its own broker.
import { type LogUnderTest, logConformance } from '../../../engine/log/contract.conformance.ts'
import { type StateStoreUnderTest, stateStoreConformance } from '../../../engine/state/store.conformance.ts'
import { TOMBSTONE_MS } from '../../../stores/kafka/ensure-topics.ts'
import type { SimProcess } from '../scheduler.ts'
import { seeded } from '../seeded.ts'
import { SimDisk, SimFiles } from '../sim-files.ts'
import { SimBroker } from './sim-broker.ts'
import { SimClient } from './sim-client.ts'
import { SimKafkaLog } from './sim-kafka-log.ts'
import { openSimState } from './sim-kafka-state.ts'

const NAME = 'task.main.clickstream.events.raw.0'
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Its steps go on after some turns of the event loop, so that those of two processes cross; never once it is dead. */
function aProcess(random: () => number): SimProcess {
  let alive = true
  return {
    get alive() {
      return alive
    },
    clock: { now: () => 0, sleep: turn },
    async step() {
      for (let turns = Math.ceil(random() * 3); turns > 0; turns--) await turn()
      if (!alive) await new Promise<never>(() => undefined)
    },
    kill() {
      alive = false
      return []
    },
  }
}

const clientOf = (broker: SimBroker, process: SimProcess, random: () => number, nowMs = 0) =>
  new SimClient({ broker, process, random, nowMs: () => nowMs, fault: () => undefined, met: () => undefined })

function simulatedLog(): LogUnderTest {
  const broker = new SimBroker()
  const random = seeded(1)
  let processes: SimProcess[] = []
  const openBeside = async () => {
    const process = aProcess(random)
    processes.push(process)
    return new SimKafkaLog(clientOf(broker, process, random))
  }
  const kill = async () => {
    for (const process of processes) process.kill()
    processes = []
  }
  return {
    async open() {
      await kill()
      return openBeside()
    },
    openBeside,
    kill,
    dispose: kill,
  }
}

/** Before each start its changelog is compacted up to somewhere, and up to a day has passed: tombstones go, and the cache may be too old to be trusted. */
function simulatedState(): StateStoreUnderTest {
  const broker = new SimBroker()
  const random = seeded(2)
  let disk = new SimDisk()
  let files = new SimFiles(disk)
  let process = aProcess(random)
  let nowMs = 0
  return {
    async open() {
      process = aProcess(random)
      files = new SimFiles(disk)
      nowMs += Math.floor(random() * TOMBSTONE_MS)
      for (const [, changelog] of broker.of('packmill.state.')) changelog.compact(nowMs, TOMBSTONE_MS, Math.ceil(random() * changelog.end))
      const client = clientOf(broker, process, random, nowMs)
      return openSimState({ client, name: NAME, files, folder: '/state/task', plant: {}, restored: () => undefined })
    },
    // Now and then with the power, or the task goes on on another machine, which has no cache.
    async crash(seed) {
      process.kill()
      files.cut()
      const drawn = seeded(seed)
      if (drawn() < 0.3) disk = new SimDisk()
      else if (drawn() < 0.5) disk.powerLoss(drawn)
    },
    dispose: async () => void process.kill(),
  }
}

logConformance('The simulated broker', async () => simulatedLog())
stateStoreConformance('The simulated broker', async () => simulatedState(), 200)
