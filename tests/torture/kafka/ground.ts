// One broker, a door to it that breaks, processes that go through the door: and what is done to them (faults.ts). Owns all of these; compares nothing.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { serversFolder } from '../../../dev/cache-folder.ts'
import { isAlive, type KafkaServer, startKafka, stopKafka } from '../../../dev/kafka/server.ts'
import { TOPICS } from '../../../model/rows.ts'
import type { Random } from '../../../services/traffic/random.ts'
import { joinGroup } from '../../../stores/kafka/group-membership.ts'
import { kafkaClient, RETRY } from '../../../stores/kafka/kafka-client.ts'
import { KafkaCluster } from '../../../stores/kafka/kafka-cluster.ts'
import { makeTopic } from '../../../stores/kafka/make-topic.ts'
import { Names } from '../../../stores/kafka/names.ts'
import { untilFrozen } from '../moments.ts'
import { Crew } from './crew.ts'
import type { Fault } from './faults.ts'
import { Weather } from './weather.ts'

export const PARTITIONS = 6
/** The first fills tables, and none of them is asked to leave its partitions when it stops but the last. */
export const NAMES = ['a', 'b', 'c']
export const PREFIX = 'torture.'
/** The shortest that brokers allow. */
const SESSION_MS = 6_000
/** A process under load has a transaction open some tenth of the time; one that waits for its partitions' claims has none. */
const FREEZE_MS = 60_000
const STAGE = `task.main.clickstream.${TOPICS.raw}`

export interface GroundOptions {
  folder: string
  random: Random
  /** Whose process the broker may be ended with. */
  startedBy: number
}

export class Ground {
  readonly crew: Crew
  readonly weather: Weather
  /** Processes that slept with a transaction open. */
  zombies = 0
  private broker: KafkaServer
  private readonly random: Random
  private readonly names = new Names({ topicPrefix: PREFIX, namespace: `${PREFIX}packmill` })
  /** Ends of what is decided, and of all that was written. */
  private readonly decided: KafkaCluster
  private readonly written: KafkaCluster

  private constructor(broker: KafkaServer, weather: Weather, crew: Crew, random: Random) {
    this.broker = broker
    this.weather = weather
    this.crew = crew
    this.random = random
    const kafka = kafkaClient({ brokers: [broker.broker] })
    process.once('exit', this.killAll)
    this.decided = new KafkaCluster(kafka)
    this.written = new KafkaCluster(kafka, { uncommitted: true })
  }

  static async open({ folder, random, startedBy }: GroundOptions): Promise<Ground> {
    // Where the end of a test run finds it, should this one not come to its own.
    const broker = await startKafka(join(serversFolder, `torture-${process.pid}`), startedBy)
    const admin = kafkaClient({ brokers: [broker.broker] }).admin({ retry: RETRY })
    await admin.connect()
    await makeTopic(admin, { topic: `${PREFIX}${TOPICS.raw}`, partitions: PARTITIONS, replication: 1 })
    await admin.disconnect()
    const weather = await Weather.open(broker.proxied!, random)
    const set = (name: string) => [
      `kafka.brokers=${broker.proxied!.broker}`,
      `kafka.topicPrefix=${PREFIX}`,
      `kafka.sessionTimeoutMs=${SESSION_MS}`,
      `kafka.sinks=${name === NAMES[0]}`,
      ...(name === NAMES.at(-1) ? [] : [`kafka.groupInstanceId=${name}`]),
      ...[`log.partitions=${PARTITIONS}`, 'engine.lanes=1', 'engine.checkpointBytes=1MB', 'sink.intervalMs=100', 'logLevel=info'],
      // A pause of the load is no user's.
      'clickstream.idleTimeoutMs=1h',
    ]
    return new Ground(broker, weather, new Crew({ folder, names: NAMES, partitions: PARTITIONS, set }), random)
  }

  /** Of the door that never breaks. */
  get address(): string {
    return this.broker.broker
  }

  /** What the broker stored, and said. */
  get brokerFolder(): string {
    return this.broker.folder
  }

  /** Does it, to its end: all that it has ended is started again. What was done, in words. */
  async inflict(fault: Fault): Promise<string> {
    switch (fault.kind) {
      case 'kill':
        return this.kill(fault)
      case 'stop':
        await this.crew.stop(NAMES[fault.target])
        this.crew.start(NAMES[fault.target])
        return NAMES[fault.target]
      case 'sleep':
      case 'zombie':
        return this.sleep(fault)
      case 'broker-kill':
      case 'broker-stop':
        await stopKafka(this.broker, fault.kind === 'broker-kill')
        this.broker = await startKafka(this.broker.folder, this.broker.startedBy)
        return ''
      case 'rebalance':
        return this.rebalance(fault)
      default:
        await this.crew.orBroken(this.weather.turn(fault))
        return `${fault.forMs} ms, ${fault.chance * 100}% of pieces${fault.kind === 'stall' ? ` for ${fault.stallMs} ms` : ''}`
    }
  }

  async close(): Promise<void> {
    await this.crew.end()
    await this.weather.close()
    await this.decided.close()
    await this.written.close()
    await stopKafka(this.broker, true)
    process.off('exit', this.killAll)
  }

  /** Whoever ends this process in the middle leaves nobody behind. */
  private readonly killAll = () => {
    for (const { running } of this.crew.processes.values()) running.child.kill('SIGKILL')
    if (isAlive(this.broker.pid)) process.kill(this.broker.pid, 'SIGKILL')
  }

  private async kill({ target, isLate }: Fault): Promise<string> {
    const name = NAMES[target]
    const killed = await this.crew.kill(name)
    const { share } = killed
    if (isLate) await this.crew.takenUp(share, killed)
    this.crew.start(name)
    return `${name}, had ${share.join(', ') || 'none'}${isLate ? ', started again after others had them' : ''}`
  }

  private async sleep({ kind, target }: Fault): Promise<string> {
    const name = NAMES[target]
    const isOpen = kind === 'zombie'
    const hasWork = () => (this.crew.processes.get(name)?.at.size ?? 0) > 0
    if (isOpen) await this.crew.until(`${name} has partitions at work`, hasWork)
    const sleeper = this.crew.processes.get(name)!
    const { child } = sleeper.running
    await this.crew.orBroken(this.freeze(child.pid!, isOpen ? () => this.isUndecided(sleeper.share) : undefined))
    const asleep = sleeper.share
    await this.crew.takenUp(asleep, sleeper)
    const before = sleeper.said.length
    child.kill('SIGCONT')
    const isMember = () => this.crew.processes.get(name) === sleeper
    const told = () => sleeper.said.slice(before).filter(({ is }) => is !== 'left')
    await this.crew.until(
      `${name} hears that it has lost ${asleep.join(', ')}`,
      () => asleep.length === 0 || told().length > 0 || !isMember(),
    )
    const first = told().at(0)
    if (first && first.is !== 'lost' && first.is !== 'fenced')
      throw new Error(`${name} woke, and said first that it has ${JSON.stringify(first)}`)
    if (isOpen) this.zombies++
    return `${name}, had ${asleep.join(', ') || 'none'}${isOpen ? ' and a transaction open' : ''}`
  }

  /** Every thread stands still when it resolves, at a moment of that kind. */
  private async freeze(pid: number, isMoment?: () => Promise<boolean>): Promise<void> {
    for (const untilMs = performance.now() + FREEZE_MS; ; ) {
      process.kill(pid, 'SIGSTOP')
      untilFrozen(pid)
      if (!isMoment) return
      // What was under way to the broker has come there the second time.
      if ((await isMoment()) && (await sleep(50, true)) && (await isMoment())) return
      process.kill(pid, 'SIGCONT')
      if (performance.now() > untilMs) throw new Error(`process ${pid} was never met with a transaction open`)
      await sleep(this.random.between(1, 20))
    }
  }

  /** Whether a transaction with a receipt of one of these is neither committed nor aborted. */
  private async isUndecided(partitions: readonly number[]): Promise<boolean> {
    const receipts = partitions.map((partition) => this.names.receipts(`${STAGE}.${partition}`))
    if (receipts.length === 0) return false
    const [decided, written] = await Promise.all([this.decided.ends(receipts), this.written.ends(receipts)])
    return decided.some((end, i) => end < written[i])
  }

  /** They work on nothing that they are given. */
  private async rebalance({ members, forMs }: Fault): Promise<string> {
    const guests = await Promise.all(
      Array.from({ length: members }, async (_, i) => {
        await sleep((forMs / members) * i)
        const guest = await joinGroup({
          connection: { brokers: [this.address], clientId: `guest-${i}` },
          groupId: this.names.members(STAGE),
          topic: `${PREFIX}${TOPICS.raw}`,
          partitions: PARTITIONS,
          sessionTimeoutMs: SESSION_MS,
          drainMs: 1000,
          onAssigned: () => undefined,
          onRevoked: async () => undefined,
          onLost: () => undefined,
          onFailed: () => undefined,
        })
        return { i, guest }
      }),
    )
    for (const { guest } of guests) await guest.close({ leave: true })
    return `${members} members`
  }
}
