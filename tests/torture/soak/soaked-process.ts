// The process that is soaked: a `packmill up` over a new data folder whose rows live for minutes. Owns the child; asks it nothing but whether its rows do.
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packmill, startPackmill } from '../../../cli/packmill-process.fake.ts'
import { SocketClient } from '../../../services/process/socket-client.ts'
import { findSocketPath } from '../../../services/process/socket-path.ts'
import { ROWS_MINUTES, SOAK_SET } from './soak-settings.ts'

export interface SoakedProcess {
  data: string
  pid: number
  port: number
  client: SocketClient
  /** Rejects where it ends before it was asked to. */
  broken: Promise<never>
  /** Asks it to stop; gives what is wrong with how it ended, in words. */
  stop(): Promise<string[]>
}

const STOP_SECONDS = 300
const UP = ['up', '--port', '0', '--json', '--every', '86400', '--stop-within', String(STOP_SECONDS)]
const READY = /"http":"([^"]+)"/

/** `folder`: an empty one, for the data and for what the process says. */
export async function startSoaked(folder: string): Promise<SoakedProcess> {
  const data = join(folder, 'data')
  const set = SOAK_SET.flatMap((one) => ['--set', one])
  makeData(folder, data, set)
  const up = startPackmill(folder, [...UP, '--data', data, ...set])
  const kill = () => void up.child.kill('SIGKILL')
  process.once('exit', kill)
  let isEnding = false
  const broken = up.ended.then(({ code, signal, err }): never => {
    throw new Error(isEnding ? 'it was stopped' : `packmill up ended with ${signal ?? code}, look into ${folder}:\n${err.slice(-4000)}`)
  })
  broken.catch(() => undefined)
  let out = ''
  up.child.stdout!.on('data', (text: Buffer) => (out += text.toString()))
  up.child.stderr!.on('data', (text: Buffer) => appendFileSync(join(folder, 'up.log'), text))
  await Promise.race([broken, up.says(READY)])
  const client = new SocketClient(findSocketPath(data), 'the soaked process')
  const [{ full }] = await client.query<{ full: string }>(`SELECT engine_full AS full FROM system.tables WHERE name = 'events_raw'`)
  if (!full.includes('toIntervalMinute')) throw new Error(`rows of events_raw do not expire as they were told to: ${full}`)
  return {
    data,
    pid: up.child.pid!,
    port: Number(new URL(READY.exec(out)![1]).port),
    client,
    broken,
    async stop() {
      isEnding = true
      up.child.kill('SIGTERM')
      const { code, signal, err } = await up.ended
      process.off('exit', kill)
      return code === 0 ? [] : [`asked to stop it ended with ${signal ?? code}: ${err.slice(-1000)}`]
    },
  }
}

function makeData(folder: string, data: string, set: readonly string[]): void {
  mkdirSync(data)
  const empty = join(folder, 'empty.jsonl')
  writeFileSync(empty, '')
  const made = packmill(folder, ['import', '--data', data, empty, ...set])
  if (made.code !== 0) throw new Error(`the data folder could not be made: ${made.err}`)
  const shortened = spawnSync(process.execPath, [join(import.meta.dirname, 'short-lived.ts'), data, String(ROWS_MINUTES)], {
    encoding: 'utf8',
  })
  if (shortened.status !== 0) throw new Error(`rows could not be made to expire: ${shortened.stderr}`)
}
