// The bounds of everything that holds bytes, with what a running process has of each. Pure.
import type { Config } from '../../config/index.ts'
import { BOUNDS, NO_BOUND } from '../../services/process/bounds.ts'
import type { Stats } from '../../services/process/embedded.ts'
import { formatBytes } from '../print.ts'
import type { Finding } from './finding.ts'

export function checkBounds(config: Config, stats: Stats | undefined): Finding[] {
  const bounds = BOUNDS.map(({ name, bytes, reason, present }): Finding => {
    const boundBytes = bytes(config)
    const presentBytes = stats && present?.(stats)
    const isNear = presentBytes !== undefined && presentBytes > 0.9 * boundBytes
    const now = presentBytes === undefined ? '' : `, now ${formatBytes(presentBytes)}`
    return {
      about: `bound: ${name}`,
      state: isNear ? 'notice' : 'well',
      found: `${formatBytes(boundBytes)}${now}: ${reason}`,
      figures: { boundBytes, ...(presentBytes !== undefined && { presentBytes }) },
    }
  })
  return [...bounds, ...NO_BOUND.map(({ name, grows }): Finding => ({ about: `no bound: ${name}`, state: 'well', found: grows }))]
}
