import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ConfigError } from './config-error.ts'
import { kafkaSettings } from './kafka-settings.ts'
import { loadConfig } from './load.ts'

const CERTIFICATE = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n'
const KEY = '-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-config-'))
  writeFileSync(join(folder, 'ca.pem'), CERTIFICATE)
  writeFileSync(join(folder, 'key.pem'), KEY)
})
afterAll(() => rmSync(folder, { recursive: true }))

const settings = (...set: string[]) => kafkaSettings(loadConfig({ environment: {}, folder, set }))
const brokers = 'kafka.brokers=kafka-1:9092'

test('no broker: no Kafka', () => {
  expect(settings()).toBeUndefined()
})

test.each([
  ['kafka.tls.enabled', 'true'],
  ['kafka.tls.ca', '/none'],
  ['kafka.tls.cert', 'ca.pem'],
  ['kafka.tls.key', 'key.pem'],
  ['kafka.sasl.mechanism', 'plain'],
  ['kafka.sasl.username', 'u'],
  ['kafka.sasl.password', 'p4ss'],
  ['kafka.groupInstanceId', 'packmill-1'],
])('%s without a broker is refused: events would go into the data folder', (path, value) => {
  const refused = expect.objectContaining({
    code: 'CONFIG_INVALID',
    message: `${path} (--set) is set, but kafka.brokers is not: the log would be in the data folder, and no broker would see an event`,
    advice: expect.stringContaining('Set kafka.brokers (KAFKA_BROKERS), or unset this.'),
  })
  expect(() => settings(`${path}=${value}`)).toThrow(refused)
  // As an empty variable, or a list without an entry, leaves them.
  writeFileSync(join(folder, 'lost.yaml'), JSON.stringify({ kafka: { brokers: [] } }))
  expect(() => kafkaSettings(loadConfig({ environment: {}, folder, file: 'lost.yaml', set: [`${path}=${value}`] }))).toThrow(refused)
  // Who leaves the brokers out of one command on purpose has the rest from a file.
  expect(settings(`${path}=${value}`, 'kafka.brokers=')).toBeUndefined()
})

test('what deployments with and without brokers may share is no reason to refuse, nor what is set to its default', () => {
  const shared = ['kafka.topicPrefix=acme.', 'kafka.replication=3', 'kafka.epochMs=20', 'kafka.sinks=false', 'kafka.sessionTimeoutMs=30s']
  expect(settings(...shared)).toBeUndefined()
  expect(settings('kafka.tls.enabled=false', 'kafka.tls.ca=', 'kafka.sasl.mechanism=none', 'kafka.groupInstanceId=')).toBeUndefined()
})

test('brokers alone', () => {
  expect(settings('kafka.brokers=a:9092, 10.0.0.1:1,[::1]:65535')).toEqual({ brokers: ['a:9092', '10.0.0.1:1', '[::1]:65535'] })
})

test('an instance id is taken, and the default is none', () => {
  expect(loadConfig({ environment: {}, folder }).config.kafka.groupInstanceId).toBe('')
  expect(settings(brokers, 'kafka.groupInstanceId=packmill-1.eu_2')).toBeDefined()
})

test('a prefix of 100 characters, with all that there may be in it, is taken', () => {
  expect(settings(brokers, `kafka.topicPrefix=A-z_0.${'x'.repeat(94)}`)).toBeDefined()
})

test('TLS with files, SASL with a name and a password', () => {
  const tls = ['kafka.tls.enabled=true', 'kafka.tls.ca=ca.pem', 'kafka.tls.cert=ca.pem', 'kafka.tls.key=key.pem']
  const sasl = ['kafka.sasl.mechanism=scram-sha-512', 'kafka.sasl.username=u', 'kafka.sasl.password=p']
  expect(settings(brokers, ...tls, ...sasl)).toEqual({
    brokers: ['kafka-1:9092'],
    tls: { ca: CERTIFICATE, cert: CERTIFICATE, key: KEY },
    sasl: { mechanism: 'scram-sha-512', username: 'u', password: 'p' },
  })
})

test.each<[string, string[], string, string]>([
  ['a broker without a port', ['kafka.brokers=a'], "kafka.brokers (--set) has 'a'; each must be host:port", 'kafka-1:9092'],
  ['a port that is none', ['kafka.brokers=a:65536'], "kafka.brokers (--set) has 'a:65536'", 'kafka-1:9092'],
  ['an address with a scheme', ['kafka.brokers=kafka://a:9092'], "has 'kafka://a:9092'", 'kafka-1:9092'],
  [
    'a mechanism that there is not',
    [brokers, 'kafka.sasl.mechanism=gssapi'],
    'it must be one of none, plain, scram-sha-256, scram-sha-512',
    '',
  ],
  ['TLS that is neither', [brokers, 'kafka.tls.enabled=yes'], 'it must be true or false', ''],
  [
    'a transaction shorter than a second',
    [brokers, 'kafka.transactionMs=999'],
    'it must be a whole number of ms from 1000 (1s) to 900000 (15m)',
    '',
  ],
  [
    'a session shorter than brokers allow',
    [brokers, 'kafka.sessionTimeoutMs=5s'],
    'it must be a whole number of ms from 6000 (6s) to 1800000 (30m)',
    '',
  ],
  ['epochs of no time', [brokers, 'kafka.epochMs=0'], 'it must be a whole number of ms from 1 to 60000 (1m)', ''],
  ['a drain of no time', [brokers, 'kafka.drainMs=0'], 'it must be a whole number of ms from 100 to 300000 (5m)', ''],
  [
    'an instance id with a blank',
    [brokers, 'kafka.groupInstanceId=packmill 1'],
    "kafka.groupInstanceId (--set) is 'packmill 1'",
    'as in packmill-1',
  ],
  ['an instance id of a dot', [brokers, 'kafka.groupInstanceId=.'], "kafka.groupInstanceId (--set) is '.'", 'as in packmill-1'],
  ['a prefix with a blank', [brokers, 'kafka.topicPrefix=our topics.'], "kafka.topicPrefix (--set) is 'our topics.'", 'as in acme.'],
  ['a prefix with a slash', [brokers, 'kafka.topicPrefix=acme/'], "kafka.topicPrefix (--set) is 'acme/'", 'as in acme.'],
  ['a prefix of 101 characters', [brokers, `kafka.topicPrefix=${'x'.repeat(101)}`], 'kafka.topicPrefix (--set) is', 'up to 100 letters'],
  ['replicas below none', [brokers, 'kafka.replication=-1'], 'it must be a whole number from 0 to 100', ''],
  [
    'a file without TLS',
    [brokers, 'kafka.tls.ca=ca.pem'],
    'kafka.tls.ca (--set) names a file, but kafka.tls.enabled is false',
    'Set kafka.tls.enabled to true',
  ],
  [
    'a file that is not there',
    [brokers, 'kafka.tls.enabled=true', 'kafka.tls.ca=none.pem'],
    'kafka.tls.ca (--set) cannot be read',
    'Name a file that exists',
  ],
  [
    'a file that is no certificate',
    [brokers, 'kafka.tls.enabled=true', 'kafka.tls.ca=key.pem'],
    'key.pem, which is not PEM',
    'BEGIN CERTIFICATE',
  ],
  [
    'a certificate without its key',
    [brokers, 'kafka.tls.enabled=true', 'kafka.tls.cert=ca.pem'],
    'kafka.tls.cert (--set) is set without kafka.tls.key',
    'set kafka.tls.key, too',
  ],
  [
    'a key without its certificate',
    [brokers, 'kafka.tls.enabled=true', 'kafka.tls.key=key.pem'],
    'kafka.tls.key (--set) is set without kafka.tls.cert',
    'set kafka.tls.cert, too',
  ],
  [
    'a mechanism without a name',
    [brokers, 'kafka.sasl.mechanism=plain', 'kafka.sasl.password=p'],
    'kafka.sasl.username (default) is empty',
    'Set kafka.sasl.username',
  ],
  [
    'a mechanism without a password',
    [brokers, 'kafka.sasl.mechanism=plain', 'kafka.sasl.username=u'],
    'kafka.sasl.password (default) is empty',
    'Set kafka.sasl.password',
  ],
  [
    'a name without a mechanism',
    [brokers, 'kafka.sasl.username=u'],
    'kafka.sasl.username (--set) is set, but kafka.sasl.mechanism is none',
    'Set kafka.sasl.mechanism',
  ],
  ['a password without a mechanism', [brokers, 'kafka.sasl.password=p'], 'kafka.sasl.password (--set) is set', 'Set kafka.sasl.mechanism'],
])('%s is refused', (_, set, message, advice) => {
  let error: unknown
  try {
    settings(...set)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toBeInstanceOf(ConfigError)
  expect((error as ConfigError).message).toContain(message)
  expect((error as ConfigError).advice).toContain(advice)
  expect((error as ConfigError).message).not.toContain("'p'")
})
