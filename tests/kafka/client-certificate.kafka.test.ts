// Brokers that want a certificate of their clients (ssl.client.auth=required): every thread of a process shows the one that is set, and who shows none is told what to set.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { packmill } from '../../cli/packmill-process.fake.ts'
import { clientCertificate } from '../../dev/kafka/certificate.ts'
import { kafkaWorld } from '../../stores/kafka/kafka-world.fake.ts'
import { kafkaServer } from '../kafka-server.ts'
import { needs } from '../require.ts'

const server = await kafkaServer()
const certified = server?.certified
const isThere =
  server !== undefined && needs('a broker that wants certificates', certified !== undefined, 'npm run dev:servers -- down --clean')
const EVENTS = 500

describe.runIf(isThere)('brokers that want a client certificate', { timeout: 120_000 }, () => {
  test('with kafka.tls.cert and kafka.tls.key all goes its way; with none, or one that they do not trust, KAFKA_TLS_REFUSED says what to set', async () => {
    const { options } = await kafkaWorld(server!.broker)
    const folder = mkdtempSync(join(tmpdir(), 'packmill-certificate-'))
    const stranger = clientCertificate('stranger')
    writeFileSync(join(folder, 'cert.pem'), stranger.cert)
    writeFileSync(join(folder, 'key.pem'), stranger.key)
    const { broker, certPath, keyPath } = certified!
    const at = [
      `kafka.brokers=${broker}`,
      `kafka.topicPrefix=${options.namespace}-cert.`,
      'kafka.tls.enabled=true',
      `kafka.tls.ca=${server!.caPath}`,
    ]
    const shown = (cert: string, key: string) => [`kafka.tls.cert=${cert}`, `kafka.tls.key=${key}`]
    const cli = (args: string[], ...more: string[]) =>
      packmill(folder, [...args, ...[...at, 'log.partitions=2', 'engine.lanes=1', ...more].flatMap((set) => ['--set', set])])
    try {
      const mine = shown(certPath, keyPath)
      const made = cli(['traffic', '--events', String(EVENTS), '--data', 'data'], ...mine)
      expect(made.code, made.err).toBe(0)
      const counted = cli(['sql', '--json', 'SELECT count() AS n FROM events_raw', '--data', 'data'], ...mine)
      expect(JSON.parse(counted.out), counted.err).toEqual([{ n: EVENTS }])
      for (const theirs of [[], shown('cert.pem', 'key.pem')])
        expect(cli(['traffic', '--events', '1', '--data', 'refused'], ...theirs)).toMatchObject({
          code: 1,
          err: expect.stringMatching(/^KAFKA_TLS_REFUSED: .*\n {2}.* kafka\.tls\.cert and kafka\.tls\.key /m),
        })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
