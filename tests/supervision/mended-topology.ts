// planted-topology.ts after a fix: what its operator should have been from the start.
import type { Topology } from '../../engine/index.ts'
import type { ClickstreamSettings } from '../../topologies/clickstream.ts'
import { planted } from './planted-topology.ts'

export const clickstream = (settings: ClickstreamSettings): Topology => planted(settings, true)
