// The server's side: the door over HTTP and the embedded log, without lanes and sinks; or, to compare with, Node's bare HTTP server, which reads each body and
// answers. Started with fork: says its port, and at `stop` its CPU time.
import { createServer } from 'node:http'
import { listenHttp, newEventId } from '../../services/ingest/http-server.ts'
import { openIngest } from '../../services/ingest/ingest.ts'
import { LINEAGE, openLog, PARTITIONS, TOPIC } from './workload.ts'

export type FromServer = { type: 'port'; port: number } | { type: 'cpu' | 'stopped'; cpuSeconds: number }

const folder = process.argv[2] ?? ''
const say = (message: FromServer) => process.send!(message)
const cpuSeconds = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
const stop = await (folder === '' ? bare() : ingest())

process.on('message', (message: 'cpu' | 'stop') => {
  if (message === 'cpu') return say({ type: 'cpu', cpuSeconds: cpuSeconds() })
  void stop().then(() => {
    say({ type: 'stopped', cpuSeconds: cpuSeconds() })
    process.disconnect()
  })
})

async function ingest(): Promise<() => Promise<void>> {
  const log = await openLog(folder, 'main')
  const http = await listenHttp({ port: 0 })
  const options = { log, lineage: LINEAGE, partitions: PARTITIONS, nowMs: Date.now, newId: newEventId }
  http.open(await openIngest(options), {
    topic: TOPIC,
    stats: () => Promise.resolve({ tasks: [], sinks: [] }),
    ends: () => Promise.resolve([]),
  })
  say({ type: 'port', port: http.port })
  return async () => {
    await http.stop()
    await log.close()
  }
}

async function bare(): Promise<() => Promise<void>> {
  const text = '{"accepted":0,"rejected":0,"errors":[]}'
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => void chunks.push(chunk))
    request.on('end', () => response.writeHead(202, { 'content-length': text.length }).end(text))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  say({ type: 'port', port: (server.address() as { port: number }).port })
  return () => new Promise((resolve) => server.close(() => resolve()))
}
