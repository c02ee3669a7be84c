// What README and docs/http.md say about events over HTTP, pasted into a shell as it stands there.
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tablesOf } from './tables-of.fake.ts'

const root = join(import.meta.dirname, '..')
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packmill-pasted-'))
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  const program = `exec '${process.execPath}' '${join(root, 'cli', 'packmill.mjs')}' "$@"\n`
  const put = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}`)
    chmodSync(join(bin, name), 0o755)
  }
  put('packmill', program)
  put('npx', `shift\n${program}`)
})
afterAll(() => rmSync(folder, { recursive: true }))

/** The block of the page in which a process is started and events are sent to it. */
function blockOf(page: string): string {
  const [, ...blocks] = readFileSync(join(root, page), 'utf8').split(/^```\n/m)
  const found = blocks.filter((block, i) => i % 2 === 0 && /\bup .*&$/m.test(block) && block.includes('curl '))
  expect(found).toHaveLength(1)
  return found[0]!
}

/** On a port that is free; the process is ended behind it. */
async function paste(block: string): Promise<string> {
  const port = await freePort()
  const text = `${block.replaceAll(':3000', `:${port}`)}\nkill $!\nwait\n`
  const { HOME, TMPDIR, PATH } = process.env
  const env = { HOME, TMPDIR, PATH: `${join(folder, 'bin')}:${PATH}`, PORT: String(port) }
  const shell = spawn('bash', ['--norc'], { cwd: folder, env, stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  for (const channel of [shell.stdout, shell.stderr]) channel.on('data', (bytes: Buffer) => (said += bytes.toString()))
  shell.stdin.end(text)
  await new Promise((resolve) => shell.on('close', resolve))
  return said
}

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

test('both blocks are answered as they say, and the second page adds to what the first has put in', async () => {
  const tour = await paste(blockOf('README.md'))
  expect(tour).toContain('{"accepted":1,"rejected":0,"errors":[]}')
  const page = await paste(blockOf('docs/http.md'))
  expect(page).toContain('HTTP/1.1 202 Accepted')
  expect(page).toContain('{"accepted":1,"rejected":1,"errors":[{"index":1,"code":"UNKNOWN_TYPE"')
  expect(tour + page).not.toMatch(/command not found|DATA_LOCKED/)
  const found = await tablesOf(join(folder, '.packmill'), 'SELECT user_id, type FROM events ORDER BY user_id')
  expect(found).toEqual([
    { user_id: 'u:u-7', type: 'click' },
    { user_id: 'u:u-8', type: 'screen_view' },
  ])
}, 100_000)
