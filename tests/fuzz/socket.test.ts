// The local socket: what a guest sends and what an owner answers, damaged in any way or of another program; over real sockets.
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { toData } from '../../engine/errors.ts'
import type { Embedded } from '../../services/process/embedded.ts'
import { SocketClient } from '../../services/process/socket-client.ts'
import { findSocketPath } from '../../services/process/socket-path.ts'
import { serveSocket } from '../../services/process/socket-server.ts'
import { codeOf, damage, damaged } from './damage.ts'

const folder = mkdtempSync(join(tmpdir(), 'packmill-socket-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('what a guest asks, damaged in any way: it is done, or refused with a code; and the next one is answered', async () => {
  const asked: unknown[] = []
  const embedded = {
    settle: async (what: unknown) => void asked.push(what),
    query: async (sql: unknown) => [{ sql }],
    queryText: async (sql: unknown) => String(sql),
    deadLetters: async (what: unknown) => ({ what }),
    stats: async () => ({}),
  } as unknown as Embedded
  const server = await serveSocket(embedded, folder)
  const socketPath = findSocketPath(folder)
  const post = (path: string, bytes: Uint8Array) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const sending = request({ socketPath, path, method: 'POST', agent: false }, (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (part: string) => (text += part))
        answer.on('end', () => resolve({ status: answer.statusCode!, text }))
      })
      sending.on('error', reject).end(bytes)
    })
  const body = Buffer.from(JSON.stringify({ snapshots: true, close: false, sql: 'SELECT 1', ask: 'list', limit: 1 }))
  let refused = 0
  try {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('/settle', '/sql', '/dlq', '/other'), damage, async (path, how) => {
        const { status, text } = await post(path, damaged(body, how))
        if (status === 200) return
        refused++
        const { code, advice } = JSON.parse(text) as ReturnType<typeof toData>
        expect([500, path === '/other' ? 'NO_SUCH_REQUEST' : 'BAD_REQUEST', true]).toEqual([status, code, advice !== ''])
      }),
      { numRuns: 200 },
    )
    expect(refused).toBeGreaterThan(50)
    expect(await new SocketClient(socketPath, 'it').query('SELECT 1')).toEqual([{ sql: 'SELECT 1' }])
  } finally {
    await server.cut()
    await server.close()
  }
})

describe('what an owner answers', () => {
  const ask = {
    query: (client: SocketClient) => client.query('SELECT 1'),
    settle: (client: SocketClient) => client.settle({ snapshots: false, close: false }),
    stats: (client: SocketClient) => client.stats(),
    deadLetters: (client: SocketClient) => client.deadLetters({ ask: 'list', limit: 1 }),
    import: (client: SocketClient) =>
      client.import(
        (async function* () {
          yield Buffer.from('{}\n')
        })(),
        { onReject: () => undefined },
      ),
  } as const
  const answers = [
    JSON.stringify([{ n: 1 }]),
    JSON.stringify(toData(Object.assign(new Error('no'), { code: 'QUERY_FAILED', advice: 'Ask otherwise.' }))),
    `${JSON.stringify({ type: 'progress', progress: {} })}\n${JSON.stringify({ type: 'result', result: { lines: 1 } })}\n`,
    `${JSON.stringify({ type: 'error', error: toData(Object.assign(new Error('no'), { code: 'STOPPED', advice: 'Again.' })) })}\n`,
  ]

  test('damaged in any way, cut off or of another program: a value, or an error with a code; never a wait without end', async () => {
    let reply: (response: ServerResponse) => void = () => undefined
    const server = createServer((asked, response) => {
      asked.resume().on('end', () => reply(response))
    })
    const socketPath = join(folder, 'owner.sock')
    await new Promise<void>((resolve) => server.listen(socketPath, resolve))
    const codes = new Set<string>()
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...(Object.keys(ask) as (keyof typeof ask)[])),
          fc.constantFrom(...answers),
          fc.constantFrom(200, 500),
          damage,
          fc.boolean(),
          async (what, answer, status, how, isCut) => {
            reply = (response) => {
              const bytes = damaged(Buffer.from(answer), how)
              response.writeHead(status, { 'content-length': bytes.length + (isCut ? 1 : 0) })
              response.write(bytes, () => (isCut ? response.destroy() : response.end()))
              if (bytes.length === 0 && !isCut) response.end()
            }
            try {
              await ask[what](new SocketClient(socketPath, 'the owner'))
            } catch (error) {
              // One that the answer holds may have had its advice damaged away.
              const { code, advice } = error as { code?: string; advice?: string }
              codes.add(advice === '' ? code! : codeOf(error))
            }
          },
        ),
        { numRuns: 300 },
      )
    } finally {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
    expect([...codes]).toEqual(expect.arrayContaining(['BAD_ANSWER', 'OWNER_GONE']))
  })
})
