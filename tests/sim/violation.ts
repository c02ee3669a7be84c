// What must hold in every simulated run, by name, and the error that says which of it did not.

/** By name: what it says. Where it is checked: observed-log.ts and observed-stage.ts (at every step), sim-table.ts, run.ts, answer.ts (in the end). */
export const INVARIANTS = {
  'the-answer': "topics and tables hold the batch evaluator's answer over the same log",
  'order-without-gaps': 'the versions of each session and incident leave as 1, 2, 3 … in the order of the log, each once',
  'each-row-once': 'a table has each offset of its topic once, without a gap',
  'nothing-lost': 'whatever clients were told is safe is there',
  'epochs-follow': 'the epochs of a task, and their input ranges, follow each other; one that is committed stays as it was',
  'published-epochs-restore': 'from the newest checkpoint every published epoch can be computed again, and is what it was',
  'same-state-without-faults': 'the state in the end is that of a run over the same epochs in which nothing went wrong',
  'watermark-never-back': "an actor's watermark never goes back, not after a restore either",
  accounting: 'accepted = open + closed + duplicates + late + deadLettered + filtered in every receipt, and no counter goes back',
  'fenced-never-publishes': 'what an owner commits after another has claimed is refused',
  'no-false-alarm': 'an owner that was fenced leaves quietly',
  'bounded-memory': 'what a sink holds stays bounded while its table stalls',
  'other-code-refused': 'other code goes on only where it computes what was published; another layout of its state changes nothing',
  'only-poison-is-dropped': 'a dead letter is a record that is poison or killed processes while it was alone, or a user whose timers fail',
  'lag-to-zero': 'once nothing goes wrong any more everything is processed and written, and no partition or sink has stopped',
} as const

export type Invariant = keyof typeof INVARIANTS

export class Violation extends Error {
  override readonly name = 'Violation'
  readonly invariant: Invariant

  constructor(invariant: Invariant, message: string, options: { cause?: unknown } = {}) {
    super(`${invariant}: ${message}`, options)
    this.invariant = invariant
  }
}

/** Runs checks that throw; what they throw is a violation of the invariant. */
export function holds(invariant: Invariant, checks: () => void): void {
  try {
    checks()
  } catch (cause) {
    if (cause instanceof Violation) throw cause
    const { message } = cause as Error
    throw new Violation(invariant, message.length > MESSAGE_MAX ? `${message.slice(0, MESSAGE_MAX)} …` : message, { cause })
  }
}

const MESSAGE_MAX = 1500

/** The invariant that an error of the engine breaks by its code, where nothing that the simulator did asks for it. */
export function violationOf(error: unknown, what: string): Violation {
  if (error instanceof Violation) return error
  const { code, message } = error as { code?: string; message: string }
  const invariant: Invariant = code !== undefined && CANNOT_RESTORE.has(code) ? 'published-epochs-restore' : 'lag-to-zero'
  return new Violation(invariant, `${what}: ${code ?? 'no code'}: ${message}`, { cause: error })
}

const CANNOT_RESTORE = new Set(['REPLAY_DIVERGED', 'REPLAY_IMPOSSIBLE', 'CHECKPOINT_AHEAD', 'STATE_CORRUPT', 'LOG_CORRUPT', 'CODE_CHANGED'])
