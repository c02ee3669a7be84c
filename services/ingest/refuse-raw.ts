// What is refused before there is a request to answer: bytes that are no HTTP, an expectation. Owns these answers' bytes; they read like all others.
import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Refusal } from './http-error.ts'

const TYPE = 'application/json; charset=utf-8'

export const bodyOf = ({ code, message }: Refusal) => JSON.stringify({ code, message })

/** Node's parser gave up, or the request took too long. */
export function refusalOfParser({ code, reason, message }: Error & { code?: string; reason?: string }): Refusal {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return { status: 408, code: 'REQUEST_TIMEOUT', message: 'the request did not come to its end in time: send it again' }
  if (code === 'HPE_HEADER_OVERFLOW')
    return { status: 431, code: 'HEADERS_TOO_LARGE', message: 'the headers are larger than 16 KB: send fewer, or shorter ones' }
  return { status: 400, code: 'BAD_REQUEST', message: `this is no HTTP request: ${reason ?? message}` }
}

/** Writes the answer where there is somebody to read it, and ends the connection: what follows on it cannot be told from what was wrong. */
export function refuseSocket(socket: Socket, refusal: Refusal): void {
  const { status } = refusal
  const body = bodyOf(refusal)
  if (!socket.writable) return void socket.destroy()
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `content-type: ${TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.destroySoon()
}

/** By Node's own response, where Fastify was not asked. */
export function refuseResponse(response: ServerResponse, refusal: Refusal): void {
  const body = bodyOf(refusal)
  const headers = { 'content-type': TYPE, 'content-length': Buffer.byteLength(body), connection: 'close' }
  response.writeHead(refusal.status, headers).end(body)
}
