// Where a topology of one's own has its data: a folder of its own below the product's, unless one is named.
import { join } from 'node:path'
import type { LoadedConfig } from '../config/index.ts'
import type { Topology } from '../streams/stream.ts'

export const topologyData = ({ config, origins }: LoadedConfig, { name }: Topology): string =>
  origins.get('data') === 'default' ? join(config.data, 'run', name) : config.data
