// What it takes to talk to the brokers, from the settings under `kafka`: checked as a whole, files read. The log's own options are the caller's.
import { readFileSync } from 'node:fs'
import { ConfigError } from './config-error.ts'
import { defaults } from './defaults.ts'
import type { LoadedConfig } from './load.ts'
import { type Setting, settings, valueAt } from './settings.ts'

export interface KafkaSettings {
  readonly brokers: readonly string[]
  /** PEM texts. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string }
  readonly sasl?: { readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; readonly username: string; readonly password: string }
}

/** host:port, where a host may be an IPv6 address in brackets. */
const BROKER = /^(\[[0-9a-fA-F:]+\]|[^\s:/[\]]+):(\d{1,5})$/
const PORT_MAX = 65_535
/** What the Java clients allow, too. */
const INSTANCE_ID = /^[a-zA-Z0-9._-]{0,249}$/

/** Of 249 characters that a topic’s name may have this leaves 149 to what stands behind it. */
const TOPIC_PREFIX = /^[a-zA-Z0-9._-]{0,100}$/

/** Whoever sets these means to talk to brokers. Others, such as a prefix, may stand in a file that deployments with and without brokers share. */
const OF_BROKERS = /^kafka\.(tls\.|sasl\.|groupInstanceId$)/

/** Throws ConfigError for what does not fit together, or cannot be read. Undefined where no broker is named: the log is embedded then. */
export function kafkaSettings({
  config,
  origins = new Map(),
}: Pick<LoadedConfig, 'config'> & Partial<LoadedConfig>): KafkaSettings | undefined {
  const { brokers, topicPrefix, groupInstanceId, tls, sasl } = config.kafka
  const refuse = (path: string, wrong: string, instead: string): never => {
    throw new ConfigError(`kafka.${path} (${origins.get(`kafka.${path}`)}) ${wrong}`, instead)
  }
  if (brokers.length === 0) {
    const isGiven = ({ path }: Setting) =>
      (origins.get(path) ?? 'default') !== 'default' && valueAt(config, path) !== valueAt(defaults, path)
    // Who says so in the command itself has not lost them.
    const given =
      origins.get('kafka.brokers') === '--set' ? undefined : settings.find((setting) => OF_BROKERS.test(setting.path) && isGiven(setting))
    if (given)
      refuse(
        given.path.replace('kafka.', ''),
        'is set, but kafka.brokers is not: the log would be in the data folder, and no broker would see an event',
        'Set kafka.brokers (KAFKA_BROKERS), or unset this. Where a command is to work without brokers all the same, give it --set kafka.brokers=',
      )
    return undefined
  }
  for (const broker of brokers) {
    const port = Number(BROKER.exec(broker)?.[2])
    if (!(port >= 1 && port <= PORT_MAX))
      refuse('brokers', `has '${broker}'; each must be host:port`, 'Write them as in kafka-1:9092,kafka-2:9092.')
  }
  if (!TOPIC_PREFIX.test(topicPrefix))
    refuse('topicPrefix', `is '${topicPrefix}'`, 'Use up to 100 letters, digits, dots, dashes and underscores, as in acme.')
  if (!INSTANCE_ID.test(groupInstanceId) || /^\.{1,2}$/.test(groupInstanceId))
    refuse('groupInstanceId', `is '${groupInstanceId}'`, 'Use up to 249 letters, digits, dots, dashes and underscores, as in packmill-1.')
  for (const name of ['ca', 'cert', 'key'] as const) {
    if (tls[name] !== '' && !tls.enabled)
      refuse(`tls.${name}`, 'names a file, but kafka.tls.enabled is false', 'Set kafka.tls.enabled to true, or unset the file.')
  }
  if ((tls.cert === '') !== (tls.key === '')) {
    const [given, missing] = tls.cert === '' ? ['key', 'cert'] : ['cert', 'key']
    refuse(`tls.${given}`, `is set without kafka.tls.${missing}`, `A client certificate is both files: set kafka.tls.${missing}, too.`)
  }
  const { mechanism, username, password } = sasl
  for (const name of ['username', 'password'] as const) {
    if (mechanism !== 'none' && sasl[name] === '')
      refuse(`sasl.${name}`, `is empty, but kafka.sasl.mechanism is '${mechanism}'`, `Set kafka.sasl.${name} as the broker knows it.`)
    if (mechanism === 'none' && sasl[name] !== '')
      refuse(
        `sasl.${name}`,
        'is set, but kafka.sasl.mechanism is none: nobody would be told it',
        'Set kafka.sasl.mechanism to what the broker wants.',
      )
  }
  const pem = (name: 'ca' | 'cert' | 'key', label: RegExp): string | undefined => {
    if (tls[name] === '') return undefined
    let text = ''
    try {
      text = readFileSync(tls[name], 'utf8')
    } catch (error) {
      refuse(`tls.${name}`, `cannot be read: ${(error as Error).message}`, 'Name a file that exists and that this user may read.')
    }
    if (!label.test(text))
      refuse(
        `tls.${name}`,
        `is ${tls[name]}, which is not PEM`,
        `It must hold a line ${name === 'key' ? '-----BEGIN … KEY-----' : '-----BEGIN CERTIFICATE-----'}.`,
      )
    return text
  }
  const certificate = /^-----BEGIN (TRUSTED )?CERTIFICATE-----/m
  return {
    brokers,
    tls: tls.enabled
      ? { ca: pem('ca', certificate), cert: pem('cert', certificate), key: pem('key', /^-----BEGIN [A-Z ]*KEY-----/m) }
      : undefined,
    sasl: mechanism === 'none' ? undefined : { mechanism, username, password },
  }
}
