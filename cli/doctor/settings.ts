// Settings that are allowed and yet look like a mistake, and what they cost. Pure.
import { availableParallelism, totalmem } from 'node:os'
import type { Config } from '../../config/index.ts'
import { formatBytes, formatCount, formatSeconds } from '../print.ts'
import type { Finding } from './finding.ts'

/** What the engine keeps of an event that can still change its session. */
const KEPT_EVENT_BYTES = 60

export interface Machine {
  cores: number
  memoryBytes: number
}

export function checkSettings(config: Config, machine: Machine = { cores: availableParallelism(), memoryBytes: totalmem() }): Finding[] {
  const odd = [...oddities(config, machine)]
  return [kept(config), ...(odd.length > 0 ? odd : [{ about: 'settings', state: 'well', found: 'nothing looks wrong' } satisfies Finding])]
}

/** How much state a rate of events costs: they are kept for the gap and the correction time. */
function kept({ clickstream, engine }: Config): Finding {
  const { gapMs, allowedDisorderMs, correctionMs } = clickstream
  const keptMs = gapMs + allowedDisorderMs + correctionMs
  const bytesPerThousand = keptMs * KEPT_EVENT_BYTES
  const fits = Math.floor((engine.cacheBytes / bytesPerThousand) * 1000)
  return {
    about: 'kept events',
    state: 'well',
    found: `about ${formatBytes(bytesPerThousand)} per 1,000 events/s for ${formatSeconds(keptMs / 1000)}; engine.cacheBytes holds ${formatCount(fits)} events/s, more is read from disk`,
    figures: { keptMs, keptEventBytes: KEPT_EVENT_BYTES, eventsPerSecondInCache: fits },
  }
}

function* oddities(config: Config, { cores, memoryBytes }: Machine): Generator<Finding> {
  const { clickstream, engine, log, analytics } = config
  const odd = (about: string, found: string, advice: string): Finding => ({ about, state: 'notice', found, advice })
  if (clickstream.gapMs > clickstream.sessionMaxMs)
    yield odd(
      'clickstream.gapMs',
      'is longer than clickstream.sessionMaxMs',
      'Sessions would be cut before they can end: raise sessionMaxMs.',
    )
  if (clickstream.allowedDisorderMs > clickstream.gapMs)
    yield odd(
      'clickstream.allowedDisorderMs',
      'is longer than clickstream.gapMs',
      'Sessions close that much later; what is later is corrected anyhow.',
    )
  if (clickstream.correctionMs < clickstream.allowedDisorderMs)
    yield odd(
      'clickstream.correctionMs',
      'is shorter than clickstream.allowedDisorderMs',
      'Events that come late are soon dropped as late: raise correctionMs.',
    )
  if (clickstream.rage.withinMs > clickstream.gapMs)
    yield odd('clickstream.rage.withinMs', 'is longer than clickstream.gapMs', 'A burst cannot last longer than a session.')
  if (engine.lanes > cores)
    yield odd(
      'engine.lanes',
      `is ${engine.lanes}, and there are ${cores} cores`,
      'Lanes that share a core gain nothing: 0 makes one per core.',
    )
  if (engine.lanes > log.partitions)
    yield odd('engine.lanes', `is ${engine.lanes}, and there are ${log.partitions} partitions`, 'A lane without a partition has no work.')
  if (engine.cacheBytes + analytics.memoryBytes > memoryBytes)
    yield odd(
      'memory',
      `engine.cacheBytes and analytics.memoryBytes may take ${formatBytes(engine.cacheBytes + analytics.memoryBytes)} of ${formatBytes(memoryBytes)}`,
      'Lower one of them, or the system may end the process.',
    )
  if (log.retentionBytes > 0 && log.retentionBytes < 2 * log.journalBytes)
    yield odd('log.retentionBytes', 'is less than two journal files', 'Lower log.journalBytes too: only whole files are deleted.')
}
