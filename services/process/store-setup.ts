// What the configuration says about the analytics store, as the sinks' thread is told it. Pure.
import { availableParallelism } from 'node:os'
import type { Config } from '../../config/index.ts'
import type { SinksSetup } from './sinks-protocol.ts'

export const storeSetup = ({ sink, analytics }: Config): Pick<SinksSetup, 'sink' | 'analytics'> => ({
  sink: { ...sink },
  analytics: {
    memoryBytes: analytics.memoryBytes,
    threads: analytics.threads || availableParallelism(),
    ttlDays: { ...analytics.ttlDays },
  },
})
