// What the engine advises names the product's commands: here, those for a topology of one's own.
import type { Config } from '../../config/index.ts'
import { EngineError } from '../../engine/errors.ts'

const NAMES_COMMANDS: ReadonlySet<string> = new Set(['UPGRADE_DIVERGED', 'REPLAY_DIVERGED', 'CODE_CHANGED', 'SINK_VERSION'])

/** The same error, with the commands for the topology of this file. */
export function ownAdvice<T>(error: T, { file, config }: { file: string; config: Pick<Config, 'kafka'> }): T | EngineError {
  if (!(error instanceof EngineError) || !NAMES_COMMANDS.has(error.code)) return error
  const advice = error.advice
    .replaceAll(/packmill upgrade (?:drain|accept (?:\d+:\d+|--all))/g, (command) => `${command} --topology ${file}`)
    .replace(
      /or compute all output anew .*$/,
      config.kafka.brokers.length > 0
        ? 'or compute it into topics of another kafka.topicPrefix, in a new folder (--data).'
        : 'or give the input to a new folder (--data).',
    )
  return new EngineError(error.code, error.message, advice, { cause: error })
}
