// The jars of a Kafka broker: fetched by Maven, once, into the project's cache. Owns the version; never runs a broker.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from '../cache-folder.ts'

export const KAFKA_VERSION = '4.1.0'
const folder = join(cacheFolder, `kafka-${KAFKA_VERSION}`)

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>packmill.dev</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
  </dependencies>
</project>
`

const runs = (command: string, argument: string) => spawnSync(command, [argument], { stdio: 'ignore' }).status === 0

/** Class path of the broker where its jars are in the cache already. */
export function cachedKafka(): string | undefined {
  return existsSync(folder) && runs('java', '-version') ? join(folder, '*') : undefined
}

/** The same, fetched where need be (about 43 MB). Errors: what is missing on this machine. */
export function fetchKafka(): string {
  if (!runs('java', '-version')) throw new Error('Apache Kafka needs Java 17 or newer: install a JRE, so that `java -version` works')
  const cached = cachedKafka()
  if (cached) return cached
  if (!runs('mvn', '-version')) throw new Error('the jars of Apache Kafka are fetched by Maven: install it, so that `mvn -version` works')
  // In a folder of its own first: one that was cut off half-way must not pass for whole.
  const partial = `${folder}.${process.pid}`
  mkdirSync(partial, { recursive: true })
  try {
    writeFileSync(join(partial, 'pom.xml'), pom)
    const goal = ['-q', '-B', 'dependency:copy-dependencies', '-DincludeScope=runtime', '-DoutputDirectory=jars']
    const { status, stdout } = spawnSync('mvn', goal, { cwd: partial, encoding: 'utf8' })
    if (status !== 0) throw new Error(`Maven could not fetch Apache Kafka ${KAFKA_VERSION}:\n${stdout.slice(0, 2000)}`)
    const jars = readdirSync(join(partial, 'jars')).length
    if (jars < 20) throw new Error(`Maven fetched only ${jars} jars of Apache Kafka`)
    if (!existsSync(folder)) renameSync(join(partial, 'jars'), folder)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
  return join(folder, '*')
}
