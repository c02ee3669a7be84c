// The log is the embedded one or Kafka; the rest of this version runs embedded. A setting that asks for another server would otherwise be obeyed by
// nobody: rows would go where no one looks.
import { ConfigError } from './config-error.ts'
import type { LoadedConfig } from './load.ts'

/** Throws ConfigError where the configuration names a server that this version cannot use. For commands that touch data. */
export function requireEmbedded({ config, origins }: LoadedConfig): void {
  const refuse = (path: string, value: string, feature: string, instead: string) => {
    throw new ConfigError(
      `${path} (${origins.get(path)}) is '${value}', but ${feature} is not in this version`,
      `Unset it to use ${instead}, which needs nothing installed.`,
    )
  }
  if (config.analytics.url !== '') refuse('analytics.url', config.analytics.url, 'ClickHouse over HTTP', 'the embedded analytics engine')
  if (config.service !== 'all') refuse('service', config.service, 'running a part of the program alone', 'all of it in one process')
}
