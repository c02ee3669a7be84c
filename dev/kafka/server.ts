// One Kafka broker (KRaft, one node) as a child process of nobody: started here, found again by what is written down, stopped by its pid.
// Owns its folder below .cache. Six doors, all on this machine: plain, SASL, TLS with SASL, TLS with a client's certificate, one that is
// told as a proxy's, and the controller's.
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fetchKafka } from './artefacts.ts'
import { clientCertificate } from './certificate.ts'

/** What the doors with SASL let in, by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. */
export const USER = { username: 'packmill', password: 'secret-of-a-test' }
const STORE_PASSWORD = 'changeit'
const CLIENT_CERT = 'client.pem'
const CLIENT_KEY = 'client-key.pem'
/** A small heap: tests share the machine with it. */
const HEAP = ['-Xms96m', '-Xmx384m', '-XX:+UseSerialGC']
/** For who started one and ends it: in the few minutes of a test the better of the two compilers does not earn back what it takes. */
const BRIEF = '-XX:TieredStopAtLevel=1'
const START_MS = 60_000

export interface KafkaServer {
  pid: number
  /** host:port of the door without a password. */
  broker: string
  /** SASL without TLS. */
  saslBroker: string
  /** TLS and SASL. */
  tlsBroker: string
  /** The door behind proxy.ts: who asks there is sent to `broker`, where somebody may listen and pass on to this port. Absent in folders from before. */
  proxied?: { broker: string; port: number; target: number }
  /** TLS, where who comes shows this certificate (paths of PEM). Absent in folders from before. */
  certified?: { broker: string; certPath: string; keyPath: string }
  /** The certificate that the TLS doors show, as PEM: to be trusted. */
  caPath: string
  folder: string
  /** Process that it was started for, and may be stopped with. */
  startedBy?: number
}

const recordPath = (folder: string) => join(folder, 'server.json')

/** The broker of a folder, where it is running. */
export async function runningKafka(folder: string): Promise<KafkaServer | undefined> {
  if (!existsSync(recordPath(folder))) return undefined
  const server = JSON.parse(readFileSync(recordPath(folder), 'utf8')) as KafkaServer
  return isAlive(server.pid) && (await answers(server.broker)) ? server : undefined
}

/** Writes down where it is found, and by whom it may be stopped: at once, as others look for it meanwhile. */
export function recordKafka(server: KafkaServer): void {
  const path = recordPath(server.folder)
  writeFileSync(`${path}.new`, JSON.stringify(server))
  renameSync(`${path}.new`, path)
}

/** Starts a broker in an empty folder, or in one that a broker left: on the same doors then. Resolves when it answers. */
export async function startKafka(folder: string, startedBy?: number): Promise<KafkaServer> {
  const classPath = fetchKafka()
  // Written last: a folder that was not made to its end is made anew.
  const isNew = !existsSync(join(folder, 'ports.json'))
  if (isNew) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    const ports = await freePorts(7)
    makeCertificates(folder)
    writeFileSync(join(folder, 'server.properties'), properties(folder, ports))
    format(folder, classPath)
    writeFileSync(join(folder, 'ports.json'), JSON.stringify(ports))
  }
  const [plain, sasl, tls, , behindProxy, proxied, certified] = JSON.parse(readFileSync(join(folder, 'ports.json'), 'utf8')) as number[]
  const log = openSync(join(folder, 'server.log'), 'a')
  const child = spawn(
    'java',
    [...HEAP, ...(startedBy === undefined ? [] : [BRIEF]), '-cp', classPath, 'kafka.Kafka', join(folder, 'server.properties')],
    {
      cwd: folder,
      detached: true,
      stdio: ['ignore', log, log],
    },
  )
  closeSync(log)
  child.unref()
  let failure: Error | undefined
  child.on('error', (error) => (failure = error))
  const at = (port: number) => `localhost:${port}`
  const server: KafkaServer = {
    pid: child.pid as number,
    broker: at(plain),
    saslBroker: at(sasl),
    tlsBroker: at(tls),
    ...(proxied !== undefined && { proxied: { broker: at(proxied), port: proxied, target: behindProxy } }),
    ...(certified !== undefined && {
      certified: { broker: at(certified), certPath: join(folder, CLIENT_CERT), keyPath: join(folder, CLIENT_KEY) },
    }),
    caPath: join(folder, 'ca.pem'),
    folder,
    startedBy,
  }
  recordKafka(server)
  for (let waitedMs = 0; !(await answers(server.broker)); waitedMs += 100) {
    if (failure || child.exitCode !== null || waitedMs > START_MS) {
      const said = readFileSync(join(folder, 'server.log'), 'utf8').slice(-2000)
      if (child.exitCode === null && child.pid !== undefined) process.kill(child.pid, 'SIGKILL')
      throw new Error(`Apache Kafka did not start in ${folder}:\n${failure?.message ?? said}`)
    }
    await sleep(100)
  }
  return server
}

/** Ends it: asked first, unless `hard`, which is a kill -9. What it stored stays. */
export async function stopKafka(server: KafkaServer, hard = false): Promise<void> {
  if (isAlive(server.pid)) process.kill(server.pid, hard ? 'SIGKILL' : 'SIGTERM')
  for (let waitedMs = 0; isAlive(server.pid); waitedMs += 50) {
    if (waitedMs === 15_000) process.kill(server.pid, 'SIGKILL')
    await sleep(50)
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A child of ours that ended and was not waited for is a zombie.
    return !/^State:\s+Z/m.test(existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : '')
  } catch {
    return false
  }
}

function answers(broker: string): Promise<boolean> {
  const [host, port] = broker.split(':')
  return new Promise((resolve) => {
    const socket = connect(Number(port), host)
    const done = (is: boolean) => {
      socket.destroy()
      resolve(is)
    }
    socket.setTimeout(1000, () => done(false))
    socket.on('connect', () => done(true)).on('error', () => done(false))
  })
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map((server) => new Promise<number>((resolve) => server.listen(0, () => resolve((server.address() as { port: number }).port)))),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

function run(command: string, args: string[], cwd: string): void {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args[0]} failed: ${error?.message ?? stdout + stderr}`)
}

function makeCertificates(folder: string): void {
  const store = ['-keystore', 'server.p12', '-storetype', 'PKCS12', '-storepass', STORE_PASSWORD, '-alias', 'broker']
  const names = ['-dname', 'CN=localhost', '-ext', 'SAN=dns:localhost,ip:127.0.0.1', '-validity', '3650', '-keyalg', 'RSA']
  run('keytool', ['-genkeypair', ...store, ...names], folder)
  run('keytool', ['-exportcert', '-rfc', ...store, '-file', 'ca.pem'], folder)
  const { cert, key } = clientCertificate('packmill')
  writeFileSync(join(folder, CLIENT_CERT), cert)
  writeFileSync(join(folder, CLIENT_KEY), key)
}

function format(folder: string, classPath: string): void {
  // Not with a dash at its beginning, which would be an option's.
  const id = `P${randomBytes(16).toString('base64url').slice(1)}`
  const scram = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${USER.username},password=${USER.password}]`,
  ])
  const args = ['-cp', classPath, 'kafka.tools.StorageTool', 'format', '-t', id, '-c', 'server.properties', ...scram]
  run('java', [BRIEF, ...args], folder)
}

const properties = (folder: string, [plain, sasl, tls, controller, behindProxy, proxied, certified]: number[]) => {
  const listeners = { PLAIN: plain, SASL: sasl, TLS: tls, PROXIED: behindProxy, CERTIFIED: certified }
  const advertised = { ...listeners, PROXIED: proxied }
  const jaas = (name: string) => [
    `listener.name.${name}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512`,
    `listener.name.${name}.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\`,
    `  user_${USER.username}="${USER.password}";`,
    `listener.name.${name}.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;`,
    `listener.name.${name}.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;`,
  ]
  return `${[
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@localhost:${controller}`,
    `listeners=${Object.entries(listeners).map(([name, port]) => `${name}://localhost:${port}`)},CONTROLLER://localhost:${controller}`,
    `advertised.listeners=${Object.entries(advertised).map(([name, port]) => `${name}://localhost:${port}`)}`,
    'listener.security.protocol.map=PLAIN:PLAINTEXT,PROXIED:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SASL_SSL,CERTIFIED:SSL,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name=PLAIN',
    'controller.listener.names=CONTROLLER',
    ...jaas('sasl'),
    ...jaas('tls'),
    `ssl.keystore.location=${join(folder, 'server.p12')}`,
    'ssl.keystore.type=PKCS12',
    `ssl.keystore.password=${STORE_PASSWORD}`,
    'listener.name.certified.ssl.client.auth=required',
    'listener.name.certified.ssl.truststore.type=PEM',
    `listener.name.certified.ssl.truststore.location=${join(folder, CLIENT_CERT)}`,
    `log.dirs=${join(folder, 'data')}`,
    // As a cluster of somebody's would be: nobody gets a topic by misspelling its name.
    'auto.create.topics.enable=false',
    'offsets.topic.replication.factor=1',
    'offsets.topic.num.partitions=4',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'transaction.state.log.num.partitions=4',
    'share.coordinator.state.topic.replication.factor=1',
    'share.coordinator.state.topic.min.isr=1',
    'group.initial.rebalance.delay.ms=0',
    // The cleaner's default table alone is a third of this heap; and tests want to see it clean.
    'log.cleaner.dedupe.buffer.size=16777216',
    'log.cleaner.backoff.ms=200',
    'log.retention.check.interval.ms=2000',
    'transaction.abort.timed.out.transaction.cleanup.interval.ms=500',
  ].join('\n')}\n`
}
