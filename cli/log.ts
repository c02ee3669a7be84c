// What a long-running process says for its keeper: one JSON object per line on stderr, at the level that the configuration asks for. Owns the
// level and the form of a line; what is worth one is decided where it happens.
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino'
import type { Config } from '../config/index.ts'
import type { Notice } from '../services/process/embedded.ts'

/** Written at once: the last line before an end is the one that matters. */
export function openLog(
  { logLevel }: Pick<Config, 'logLevel'>,
  to: DestinationStream = pino.destination({ dest: 2, sync: true }),
): Logger<never> {
  return pino(
    {
      level: logLevel,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: described },
    },
    to,
  )
}

/** What happened in an open data folder. */
export function logNotice(log: Logger<never>, notice: Notice): void {
  const { type, ...fields } = notice
  if (type === 'partition-stopped' || type === 'sink-stopped') log.error(fields, `${type}: the others go on`)
  else if (type === 'lane-restarted') log.warn(fields, `${type}: its partitions recover`)
  else if (notice.type === 'partitions' && notice.is === 'failed') log.error(fields, 'partitions: this process has none any more')
  else if (type === 'partitions') log.info(fields, type)
  else if (type.endsWith('-waiting')) log.warn(fields, `${type}: it goes on by itself when this has passed`)
  else if (type === 'partition-overdue') log.warn(fields, `${type}: it goes on, and may not be recovered if it ends`)
  else if (type.endsWith('-resumed')) log.info(fields, type)
  else if (type === 'restoring') log.info(fields, type)
  else if (type === 'reset') log.warn(fields, `${type}: what this folder held was reset; its tables are filled anew from the topics`)
  else if (type === 'sink-failed') log.warn(fields, `${type}: it is tried again`)
  else if (type === 'migrating' || (notice.type === 'recovering' && notice.done === 0)) log.info(fields, type)
  else if (notice.type === 'request' && notice.error) log.warn(fields, type)
  else log.debug(fields, type)
}

/** Ours carry a code and what to do about it; a stack only helps with the rest, which another thread has called INTERNAL. */
function described(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { code, advice, hint, message, stack } = error as Error & { code?: unknown; advice?: unknown; hint?: unknown }
  const own = { code, message, advice: advice ?? hint }
  return code === undefined ? { message, stack } : code === 'INTERNAL' ? { ...own, stack } : own
}
