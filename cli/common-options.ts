// Options that several commands share, so that they read the same everywhere, and what resolves them into a configuration.
import type { Command } from 'commander'
import type { LoadedConfig } from '../config/index.ts'

export interface DataOptions {
  data?: string
  set?: string[]
  config?: string
}

/** --data, --set and --config: for every command that touches data. */
export function addDataOptions(command: Command): Command {
  return command
    .option('--data <dir>', 'the data folder (default: ./.packmill)')
    .option('--set <path=value>', 'set one setting, as in clickstream.gapMs=30000; repeatable', (text, all: string[] = []) => [
      ...all,
      text,
    ])
    .option('--config <file>', 'the configuration file (default: packmill.yaml, where there is one)')
}

/** --json: for every command that prints data. */
export function addJsonOption(command: Command): Command {
  return command.option('--json', 'print JSON')
}

/** Examples below a command's help: command line, what it does. */
export function addExamples(command: Command, examples: readonly (readonly [string, string])[]): Command {
  const width = Math.max(...examples.map(([line]) => line.length))
  return command.addHelpText('after', `\nExamples:\n${examples.map(([line, what]) => `  ${line.padEnd(width)}  # ${what}`).join('\n')}`)
}

/**
 * The configuration that these options ask for. Throws ConfigError (CONFIG_INVALID), also for what this version cannot run with,
 * unless the command only shows it. `isEmbedded`: of a command that keeps its log in its folder.
 */
export async function resolveConfig(options: DataOptions, { showOnly = false, isEmbedded = false } = {}): Promise<LoadedConfig> {
  const { kafkaSettings, loadConfig, requireEmbedded } = await import('../config/index.ts')
  const loaded = loadConfig({ file: options.config, set: options.set, data: options.data })
  if (!showOnly) {
    requireEmbedded(loaded)
    // What is set of brokers is for other commands then.
    if (!isEmbedded) kafkaSettings(loaded)
    else if (loaded.config.kafka.brokers.length > 0) throw new KafkaNotHereError(loaded)
  }
  return loaded
}

class KafkaNotHereError extends Error {
  readonly code = 'KAFKA_NOT_HERE'
  readonly advice = 'Unset it for this command (KAFKA_BROKERS=, or --set kafka.brokers=): its log is in its own folder.'
  constructor({ origins }: LoadedConfig) {
    super(`kafka.brokers (${origins.get('kafka.brokers')}) is set, and this command does not work on brokers`)
  }
}
