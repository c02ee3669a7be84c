// packmill run --watch: the same command in a process of its own, stopped and started again when the topology's files change.
//
// A process of its own, because code that was imported stays imported, and because what somebody is just writing may not even end. A stop
// commits and checkpoints: the new code goes on from the state of the old.
import { type ChildProcess, spawn } from 'node:child_process'
import { type FSWatcher, watch as watchPath } from 'node:fs'
import { dirname } from 'node:path'
import { topologyFiles } from '../services/streams/load-topology.ts'

/** Editors write a file in several steps. */
const QUIET_MS = 100

/** Until Ctrl-C. */
export async function watch(file: string): Promise<void> {
  const args = [...process.execArgv, process.argv[1]!, ...process.argv.slice(2).map((arg) => (arg === '--watch' ? '--follow' : arg))]
  let child: ChildProcess | undefined
  let ended: Promise<void> = Promise.resolve()
  let isOver = false
  let watchers: FSWatcher[] = []
  let timer: NodeJS.Timeout | undefined
  let turn: Promise<void> = Promise.resolve()

  const start = () => {
    const own = spawn(process.execPath, args, { stdio: 'inherit' })
    child = own
    ended = new Promise((resolve) =>
      own.once('exit', (code) => {
        child = undefined
        if (!isOver && code) console.error('waiting for a change')
        resolve()
      }),
    )
    const files = new Set(topologyFiles(file))
    for (const watcher of watchers) watcher.close()
    // The folders: an editor may put another file in the old one's place.
    watchers = [...new Set([...files].map(dirname))].map((folder) =>
      watchPath(folder, (_, name) => {
        if (name === null || [...files].some((path) => path.endsWith(name))) changed()
      }),
    )
  }
  const changed = () => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      turn = turn.then(async () => {
        if (isOver) return
        child?.kill('SIGTERM')
        await ended
        if (isOver) return
        console.error(`${file} changed: started again`)
        start()
      })
    }, QUIET_MS)
  }
  await new Promise<void>((resolve) => {
    const stop = () => {
      isOver = true
      clearTimeout(timer)
      for (const watcher of watchers) watcher.close()
      child?.kill('SIGTERM')
      void turn.then(() => ended).then(resolve)
    }
    process.once('SIGINT', stop).once('SIGTERM', stop)
    start()
  })
}
