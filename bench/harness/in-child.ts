// Runs one measurement in a process of its own: its CPU is nobody else's, and no round is warmed up by the one before.
//
// A program is a module of bench/harness that calls `answer`; it is given its order as JSON and gives back JSON.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { exitNow } from '../../services/process/exit-now.ts'
import { LANE_LIMITS } from '../../services/process/lane-limits.ts'

/** The heap of a lane's thread, for every program alike. The young generation consists of three semi-spaces. */
const FLAGS = [
  `--max-semi-space-size=${Math.floor(LANE_LIMITS.maxYoungGenerationSizeMb / 3)}`,
  `--max-old-space-size=${LANE_LIMITS.maxOldGenerationSizeMb}`,
  '--expose-gc',
]

/** Errors: what the program wrote, where that is no whole answer. */
export function inChild<Order, Answer>(program: string, order: Order): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const file = join(import.meta.dirname, `${program}.ts`)
    const child = spawn(process.execPath, [...FLAGS, file, JSON.stringify(order)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let out = ''
    let error = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (error += text))
    // Interrupted, the bench leaves nobody behind who goes on writing.
    const kill = () => child.kill('SIGKILL')
    process.prependOnceListener('exit', kill)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      process.off('exit', kill)
      // Whole: however the process ended after it.
      const whole = out.endsWith('\n') ? parsed(out) : undefined
      if (whole !== undefined) resolve(whole as Answer)
      else reject(new Error(`${program} ended with ${signal ?? code}:\n${error}${out}`))
    })
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** For the program: does what it was asked for, says the answer and ends, whatever is still open. */
export async function answer<Order, Answer>(work: (order: Order) => Promise<Answer>): Promise<void> {
  const result = await work(JSON.parse(process.argv[2]) as Order)
  // Not process.exit, which ends the threads one by one: one that is within the engine may bring the process down with it.
  process.stdout.write(`${JSON.stringify(result)}\n`, () => exitNow('SIGKILL'))
}

/** CPU seconds of all threads of this process (collector, compiler, file system included), and seconds of the clock. */
export interface Cost {
  cpuSeconds: number
  wallSeconds: number
}

/** Begins to measure; the returned function ends it. */
export function measuring(): () => Cost {
  const cpu = process.cpuUsage()
  const wall = performance.now()
  return () => {
    const wallSeconds = (performance.now() - wall) / 1000
    const { user, system } = process.cpuUsage(cpu)
    return { cpuSeconds: (user + system) / 1e6, wallSeconds }
  }
}
