// Killed in the middle of a checkpoint, how long does the process take from its start to when it keeps up again?
import { type ChildProcess, fork } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { defaults } from '../config/index.ts'
import { realFiles } from '../stores/files/real-files.ts'
import { checkpointEpoch, isFinished } from '../stores/state/checkpoint-file.ts'
import { crowdDefaults, crowdEndMs } from './harness/crowd.ts'
import { dropCache } from './harness/drop-cache.ts'
import type { FromServer, ServerOrder } from './harness/live-server.ts'
import { median } from './harness/median.ts'
import type { Question } from './harness/report.ts'
import { crowdInput, LINEAGE, roundFolder } from './harness/workload.ts'

const RATE = 50_000
const USERS = 1_000_000
const QUICK_USERS = 100_000
const ROUNDS = 10
const QUICK_ROUNDS = 2
/** In quick runs, so that checkpoints come often enough. */
const QUICK_CHECKPOINT_BYTES = 4 << 20
/** The kill comes so long after a checkpoint was seen to be under way, at random, if one still is. */
const AFTER_MS = 1000
const LOOK_MS = 5
const PATIENCE_MS = 120_000

/** It did not say so in time. */
class Late extends Error {}

type Ready = Extract<FromServer, { type: 'ready' }>

export const recovery: Question = {
  name: 'recovery',
  asks: 'kill -9 in a checkpoint at 50,000 events/s: from spawn to new epochs everywhere and a lag below a second of input',
  async run({ quick, folder, note }) {
    const shape = { ...crowdDefaults, users: quick ? QUICK_USERS : USERS, rounds: 1 }
    const rounds = quick ? QUICK_ROUNDS : ROUNDS
    const checkpointBytes = quick ? QUICK_CHECKPOINT_BYTES : defaults.engine.checkpointBytes
    note(
      `${whole(shape.users)} sessions open, ${whole(RATE)} events/s, checkpointBytes ${whole(checkpointBytes)}, ${rounds} kills with the files in the file cache and ${rounds} without`,
    )
    const data = roundFolder(await crowdInput(shape, note), join(folder, 'data'))
    const startedMs = preciseNow()
    const shiftMs = crowdEndMs(shape) - startedMs
    const spawnServer = (fill: boolean) =>
      spawned({ folder: data, shape, rate: RATE, spawnedMs: preciseNow(), shiftMs, fill, checkpointBytes })
    let server = spawnServer(true)
    await server.heard('filled')
    note(`filled in ${((preciseNow() - startedMs) / 1000).toFixed(0)} s`)
    await server.heard('ready')
    const warm: Ready[] = []
    const cold: Ready[] = []
    let canDrop = true
    let isLate = false
    try {
      for (let round = 0; round < rounds * 2 && (canDrop || warm.length < rounds); round++) {
        await killedInCheckpoint(server.child, data)
        const isCold = round % 2 === 1 && canDrop
        if (isCold) canDrop = dropCache(data)
        server = spawnServer(false)
        const ready = await server.heard('ready').then(
          (message) => message as Ready,
          (error: unknown) => {
            if (!(error instanceof Late)) throw error
            return { type: 'ready', openedMs: Number.NaN, recoveredMs: Number.NaN, readyMs: PATIENCE_MS } as Ready
          },
        )
        if (isCold && canDrop) cold.push(ready)
        else warm.push(ready)
        const { openedMs, recoveredMs, readyMs } = ready
        // What it has left to do would be counted against the next ones: they are not measured.
        isLate = readyMs === PATIENCE_MS
        if (isLate) {
          note(
            `kill ${round + 1}, files ${isCold ? 'dropped' : 'cached'}: not ready after ${whole(readyMs)} ms, counted as that; no further kills`,
          )
          break
        }
        note(
          `kill ${round + 1}, files ${isCold ? 'dropped' : 'cached'}: log open after ${whole(openedMs)} ms, recovered after ${whole(recoveredMs)}, ready after ${whole(readyMs)}`,
        )
      }
    } finally {
      server.child.kill('SIGKILL')
    }
    const of = (list: Ready[], part: (ready: Ready) => number) =>
      list.map((ready) => part(ready) / 1000).filter((seconds) => !Number.isNaN(seconds))
    const all = of([...warm, ...cold], ({ readyMs }) => readyMs)
    const figures = [
      { name: 'ready', value: Math.max(...all), unit: `s, worst of ${all.length}${isLate ? ', which had not ended' : ''}`, atMost: 10 },
      { name: 'ready-median', value: median(of(warm, ({ readyMs }) => readyMs)), unit: `s, median of ${warm.length}, files in the cache` },
      { name: 'ready-worst', value: Math.max(...of(warm, ({ readyMs }) => readyMs)), unit: 's, files in the cache' },
      { name: 'opened-median', value: median(of(warm, ({ openedMs }) => openedMs)), unit: 's until the log is in order' },
      { name: 'recovered-median', value: median(of(warm, ({ recoveredMs }) => recoveredMs)), unit: 's until every task has recovered' },
    ]
    if (cold.length > 0) {
      const readyMs = of(cold, ({ readyMs }) => readyMs)
      figures.push(
        { name: 'ready-cold-median', value: median(readyMs), unit: `s, median of ${cold.length}, files dropped from the cache` },
        { name: 'ready-cold-worst', value: Math.max(...readyMs), unit: 's' },
      )
    } else note('files cannot be dropped from the cache here (dd of GNU is missing)')
    const measured = figures.filter(({ value }) => Number.isFinite(value))
    return [...measured, { name: 'sessions', value: shape.users, unit: 'sessions open' }]
  },
}

function spawned(order: ServerOrder) {
  const file = join(import.meta.dirname, 'harness', 'live-server.ts')
  const child = fork(file, [JSON.stringify(order)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const kill = () => child.kill('SIGKILL')
  process.prependOnceListener('exit', kill)
  child.once('close', () => process.off('exit', kill))
  const heard = (type: FromServer['type']) =>
    new Promise<FromServer>((resolve, reject) => {
      const late = setTimeout(() => reject(new Late(`the process was not ${type} within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS)
      child.on('message', (message: FromServer) => {
        if (message.type !== type) return
        clearTimeout(late)
        resolve(message)
      })
      child.once('close', (code, signal) => {
        clearTimeout(late)
        reject(new Error(`the process ended with ${signal ?? code} before it was ${type}`))
      })
    })
  return { child, heard }
}

/** Waits until a checkpoint is under way, and then a random time of it. */
async function killedInCheckpoint(child: ChildProcess, data: string): Promise<void> {
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const untilMs = performance.now() + PATIENCE_MS
  for (;;) {
    while (!isCheckpointing(data)) {
      if (performance.now() > untilMs) throw new Error(`no checkpoint began within ${PATIENCE_MS / 1000} s`)
      await sleep(LOOK_MS)
    }
    await sleep(Math.random() * AFTER_MS)
    if (isCheckpointing(data)) break
  }
  child.kill('SIGKILL')
  await closed
}

/** Whether any task's newest checkpoint file has no footer yet. */
function isCheckpointing(data: string): boolean {
  const state = join(data, 'state', LINEAGE)
  if (!existsSync(state)) return false
  return readdirSync(state).some((task) => {
    const epochs = readdirSync(join(state, task)).flatMap((name) => checkpointEpoch(name) ?? [])
    if (epochs.length === 0) return false
    const newest = Math.max(...epochs)
    try {
      const file = realFiles.open(join(state, task, `ckpt-${newest}.ckp`))
      try {
        return !isFinished(file, newest)
      } finally {
        file.close()
      }
    } catch {
      // Removed since it was listed: nothing of it was in force any more.
      return false
    }
  })
}

const preciseNow = () => performance.timeOrigin + performance.now()
const whole = (value: number) => Math.round(value).toLocaleString('en-GB')
