// For tests: the door over HTTP as its clients meet it: the real server on a real port, with a real log below it or a claim that does what the test says.
import { mkdtempSync, rmSync } from 'node:fs'
import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import type { Claim, Log, OutputBlock } from '../../engine/log/contract.ts'
import type { WireEvent } from '../../model/event.ts'
import { realFiles } from '../../stores/files/real-files.ts'
import { type JournalLog, openJournalLog } from '../../stores/log/journal-log.ts'
import { prepareLog } from '../../stores/log/prepare-log.ts'
import { type HttpOptions, type HttpServer, listenHttp, newEventId } from './http-server.ts'
import { openIngest } from './ingest.ts'

export const NOW = 1_760_000_000_000
export const PARTITIONS = 3
export const MB = 1 << 20

let folder: string
export const left: (() => Promise<unknown> | unknown)[] = []

/** A folder for each test, and an end to what it started. */
export function useHttpWorld(): void {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'packmill-http-'))
  })
  afterEach(async () => {
    for (const end of left.splice(0).reverse()) await end()
    rmSync(folder, { recursive: true })
  })
}

export const event = (changes: Record<string, unknown> = {}) => ({
  eventId: 'e1',
  orgId: 'acme',
  productId: 'shop',
  userId: 'u1',
  type: 'click',
  ts: NOW,
  ...changes,
})
export const batch = (...events: unknown[]) => JSON.stringify({ events })
export const observed = { topic: 'events.raw', stats: () => Promise.resolve({ tasks: [], sinks: [] }), ends: () => Promise.resolve([]) }

export async function openLog(): Promise<JournalLog> {
  const at = join(folder, 'log')
  const shared = await prepareLog({ files: realFiles, folder: at, writers: ['main'] })
  return openJournalLog({ files: realFiles, folder: at, writer: 'main', shared })
}

export interface Given extends Partial<HttpOptions> {
  log?: Pick<Log, 'claim'>
  org?: string
  waitingBytesMax?: number
}

export async function serve({ log, org, waitingBytesMax, ...options }: Given = {}): Promise<HttpServer> {
  const http = await listenHttp({ port: 0, nowMs: () => NOW, ...options })
  left.push(() => http.stop())
  const ingest = await openIngest({
    log: log ?? (await openLog()),
    lineage: 'main',
    partitions: PARTITIONS,
    org,
    waitingBytesMax,
    nowMs: () => NOW,
    newId: newEventId,
    onCommit: (commit) => http.metrics.committed(commit),
  })
  http.open(ingest, observed)
  return http
}

/** A log whose commits end when the test says so. */
export function heldLog() {
  const commits: { outputs: OutputBlock[]; resolve(): void; reject(error: unknown): void }[] = []
  const claim = {
    commit: ({ outputs }: { outputs: OutputBlock[] }) =>
      new Promise<void>((resolve, reject) => {
        commits.push({ outputs, resolve, reject })
      }),
    release: () => Promise.resolve(),
  }
  return { commits, log: { claim: () => Promise.resolve(claim as unknown as Claim) } as unknown as Pick<Log, 'claim'> }
}

export interface Reply {
  status: number
  headers: IncomingHttpHeaders
  text: string
}
export const JSON_TYPE = { 'content-type': 'application/json' }

export function send(http: HttpServer, body: string | Uint8Array | undefined, more: RequestOptions = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const options = {
      port: http.port,
      host: '127.0.0.1',
      path: '/v1/events/batch',
      method: 'POST',
      headers: JSON_TYPE,
      agent: false,
      ...more,
    }
    const request = httpRequest(options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }))
    })
    request.on('error', reject)
    request.end(body)
  })
}
export const get = (http: HttpServer, path: string) => send(http, undefined, { method: 'GET', path, headers: {} })
export const code = ({ status, text }: Reply) => [status, (JSON.parse(text) as { code: string }).code]
export const answer = ({ status, text }: Reply) => ({
  status,
  ...(JSON.parse(text) as { accepted: number; rejected: number; errors: object[] }),
})
export const metric = async (http: HttpServer, name: string) =>
  Number(new RegExp(`^packmill_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec((await get(http, '/metrics')).text)?.[1])
/** Turns of the event loop until it is so; a test that never gets there times out. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve))
}

export async function recordsOf<T>(topic: string, partitions: number[]): Promise<T[]> {
  const log = await openLog()
  const records: T[] = []
  for (const partition of partitions) {
    const reader = log.reader({ topic, partition })
    for (let read = await reader.read(0, MB); read.blocks.length > 0; read = await reader.read(read.next, MB))
      for (const { pos, length } of read.blocks)
        for (const line of Buffer.from(read.bytes.subarray(pos, pos + length))
          .toString()
          .trimEnd()
          .split('\n'))
          records.push(JSON.parse(line) as T)
    reader.close()
  }
  await log.close()
  return records
}
export const rawEvents = () => recordsOf<WireEvent>('events.raw', [0, 1, 2])
