// npm run dev:servers: brings up the servers that packmill can run on, for development and for the tests that need them. Owns the command line.
import { rmSync } from 'node:fs'
import { kafkaFolder } from './cache-folder.ts'
import { KAFKA_VERSION } from './kafka/artefacts.ts'
import { runningKafka, startKafka, stopKafka } from './kafka/server.ts'

const help = `Usage: npm run dev:servers -- <up|down|status> [options]

Apache Kafka ${KAFKA_VERSION}, one broker, on this machine only. Its jars are fetched by Maven the first time (43 MB); it needs Java 17 or newer.

Commands:
  up          start it, if it is not running, and print where it listens
  down        stop it; what it stored stays
  status      say whether it is running; exit code 1 where it is not

Options:
  --clean     with down: delete what it stored, too
  -h, --help  this text

Examples:
  npm run dev:servers -- up              # tests use the one that is running
  npm run dev:servers -- down --clean
`

async function main(args: readonly string[]): Promise<number> {
  const [command, ...options] = args
  if (args.length === 0 || args.includes('-h') || args.includes('--help')) {
    process.stdout.write(help)
    return args.length === 0 ? 2 : 0
  }
  const unknown = options.find((option) => option !== '--clean' || command !== 'down')
  if (unknown !== undefined || !['up', 'down', 'status'].includes(command)) {
    console.error(`dev:servers: ${unknown === undefined ? `no command ${command}` : `${command} has no option ${unknown}`}; see --help`)
    return 2
  }
  const running = await runningKafka(kafkaFolder)
  if (command === 'up') {
    const { broker, saslBroker, tlsBroker, pid } = running ?? (await startKafka(kafkaFolder))
    console.log(`kafka ${running ? 'is running' : 'has started'}: ${broker} (SASL ${saslBroker}, TLS and SASL ${tlsBroker}), pid ${pid}`)
    return 0
  }
  if (command === 'status') {
    console.log(running ? `kafka is running: ${running.broker}, pid ${running.pid}` : 'kafka is not running; npm run dev:servers -- up')
    return running ? 0 : 1
  }
  if (running) await stopKafka(running)
  console.log(running ? 'kafka has stopped' : 'kafka was not running')
  if (options.includes('--clean')) rmSync(kafkaFolder, { recursive: true, force: true })
  return 0
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(`dev:servers: ${(error as Error).message}`)
  process.exitCode = 1
}
