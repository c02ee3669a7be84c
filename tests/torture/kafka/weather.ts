// What the way to the broker is like: calm, or for a while pieces are cut, brought by half, or held up. Owns the door (dev/kafka/proxy.ts).
import { setTimeout as sleep } from 'node:timers/promises'
import { type BrokerProxy, type Direction, type Fate, openProxy } from '../../../dev/kafka/proxy.ts'
import type { KafkaServer } from '../../../dev/kafka/server.ts'
import type { Random } from '../../../services/traffic/random.ts'
import type { Fault } from './faults.ts'

export class Weather {
  readonly proxy: BrokerProxy
  private readonly state: State

  private constructor(proxy: BrokerProxy, state: State) {
    this.proxy = proxy
    this.state = state
  }

  static async open({ port, target }: NonNullable<KafkaServer['proxied']>, random: Random): Promise<Weather> {
    const state: State = { now: undefined }
    const fateOf = (direction: Direction): Fate => {
      const { now } = state
      if (!now || !random.chance(now.chance)) return 'pass'
      return now.kind === 'half' && direction === 'request' ? 'pass' : (now.kind as Fate)
    }
    return new Weather(await openProxy({ port, target, fateOf, stallMs: () => state.now?.stallMs ?? 0 }), state)
  }

  /** Resolves when it is calm again; what was held up then may still wait. */
  async turn(fault: Fault): Promise<void> {
    this.state.now = fault
    await sleep(fault.forMs)
    this.state.now = undefined
  }

  close(): Promise<void> {
    return this.proxy.close()
  }
}

interface State {
  now: Fault | undefined
}
