// Configuration: one typed schema, its defaults, and what resolves them into a readonly value before anything starts.
// Never: a default anywhere else, or a second reader of the environment. Imports nothing of ours.
export { ConfigError } from './config-error.ts'
export { defaults } from './defaults.ts'
export { requireEmbedded } from './embedded-only.ts'
export { type KafkaSettings, kafkaSettings } from './kafka-settings.ts'
export { ALIASES, type LoadedConfig, type LoadOptions, loadConfig } from './load.ts'
export { describeAllowed, formatNumber } from './parse-value.ts'
export type { Config } from './schema.ts'
export { type Setting, settings } from './settings.ts'
export { suggest } from './suggest.ts'
