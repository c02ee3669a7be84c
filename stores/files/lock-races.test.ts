// Starters that take one lock at the same time, after a crash: every order of their steps, and a kill at any step.
//
// A starter runs from its beginning for each of its steps: it is given the answers that it has had, and stops at the first step that has none yet.
// That step is done when its turn comes. A state that two orders lead to is looked at once.
import { hostname } from 'node:os'
import { crc32 } from 'node:zlib'
import { expect, it } from 'vitest'
import { type LockOwner, type LockWorld, releaseLock, takeLock } from './folder-lock.ts'

const FOLDER = '/d'
const LOCK = '/d/owner.lock'
const ownerOf = (pid: number): LockOwner => ({ pid, startTime: '1', host: hostname(), since: `${pid}`, command: 'up' })
const textOf = (owner: LockOwner) => JSON.stringify({ ...owner, crc: crc32(JSON.stringify(owner)) })
const GONE = 99

type Answer = { value: unknown } | { code: string }
interface Starter {
  pid: number
  /** Gives the folder back once it has it. */
  releases: boolean
  answers: Answer[]
  /** The step that it waits for. */
  next?: Step
  is: 'starting' | 'owner' | 'released' | 'refused' | 'killed'
}
interface State {
  files: Map<string, string>
  starters: Starter[]
}
type Step = [name: keyof LockWorld, ...args: never[]]

const failed = (code: string) => Object.assign(new Error(code), { code })

/** Does a step of a starter in the state. */
function answer({ files, starters }: State, [name, ...args]: Step): Answer {
  const [first, second] = args as string[]
  switch (name) {
    case 'read':
      return files.has(first) ? { value: files.get(first) } : { code: 'ENOENT' }
    case 'write':
      files.set(first, second)
      return { value: undefined }
    case 'link':
    case 'rename':
      if (!files.has(first)) return { code: 'ENOENT' }
      if (name === 'link' && files.has(second)) return { code: 'EEXIST' }
      files.set(second, files.get(first)!)
      if (name === 'rename') files.delete(first)
      return { value: undefined }
    case 'remove':
      return files.delete(first) ? { value: undefined } : { code: 'ENOENT' }
    case 'list':
      return { value: [...files.keys()].map((path) => path.slice(FOLDER.length + 1)).sort() }
    case 'modifiedMs':
      return files.has(first) ? { value: 0 } : { code: 'ENOENT' }
    case 'hasProcess':
      return { value: starters.some(({ pid, is }) => pid === (args[0] as LockOwner).pid && is !== 'killed') }
  }
}

/** Runs a starter on what it was answered so far: its next step, or how it ended. */
function run({ pid, releases, answers }: Starter): { next?: Step; is: Starter['is'] } {
  let at = 0
  let next: Step | undefined
  let is: Starter['is'] = 'starting'
  const stopped = new Error('no answer yet')
  // A path of its own name, whatever the clock says.
  const steady = (path: unknown) => (typeof path === 'string' && path.endsWith('.tmp') ? `${FOLDER}/${pid}.tmp` : path)
  const world = new Proxy({} as LockWorld, {
    get:
      (_, name: keyof LockWorld) =>
      (...args: unknown[]) => {
        const known = answers[at++]
        if (next || !known) {
          next ??= [name, ...args.map(steady)] as Step
          throw stopped
        }
        if ('code' in known) throw failed(known.code)
        return known.value
      },
  })
  try {
    takeLock(FOLDER, ownerOf(pid), 0, world)
    is = 'owner'
    if (releases) {
      releaseLock(FOLDER, ownerOf(pid), world)
      if (!next) is = 'released'
    }
  } catch (error) {
    if (!next && (error as { code?: string }).code !== 'DATA_LOCKED') throw error
    if (!next) is = 'refused'
  }
  return { next, is }
}

const copy = ({ files, starters }: State): State => ({
  files: new Map(files),
  starters: starters.map((starter) => ({ ...starter, answers: [...starter.answers] })),
})

/** A starter alone, from here to its end. */
function alone(state: State, starter: Starter): Starter['is'] {
  for (let steps = 0; steps < 100; steps++) {
    const { next, is } = run(starter)
    if (!next) return is
    starter.answers.push(answer(state, next))
  }
  return 'starting'
}

/** All that can become of starters who find these files: states looked at. Asserted in each: one owner at most; when all is over, the folder can be taken. */
function race(files: Record<string, string>, starters: readonly Pick<Starter, 'pid' | 'releases'>[], killsMax: number): number {
  const first: State = { files: new Map(Object.entries(files)), starters: [] }
  for (const { pid, releases } of starters) {
    const starter: Starter = { pid, releases, answers: [], is: 'starting' }
    first.starters.push({ ...starter, ...run(starter) })
  }
  const seen = new Set<string>()
  const open = [first]
  for (let state = open.pop(); state; state = open.pop()) {
    const key = JSON.stringify([[...state.files].sort(), state.starters.map(({ answers, is }) => [answers, is])])
    if (seen.has(key)) continue
    seen.add(key)
    const owners = state.starters.filter(({ is }) => is === 'owner')
    // Not by expect(): there are many states.
    if (owners.length > 1) throw new Error(`Two have the lock: ${key}`)
    if (owners[0] && state.files.get(LOCK) !== textOf(ownerOf(owners[0].pid))) throw new Error(`Who comes does not see the owner: ${key}`)
    const kills = state.starters.filter(({ is }) => is === 'killed').length
    let isOver = true
    for (const [i, { is }] of state.starters.entries()) {
      if (is === 'killed' || is === 'refused' || is === 'released') continue
      if (kills < killsMax) {
        const after = copy(state)
        after.starters[i]!.is = 'killed'
        open.push(after)
      }
      const { next } = state.starters[i]!
      if (!next) continue
      isOver = false
      const after = copy(state)
      const one = after.starters[i]!
      one.answers.push(answer(after, next))
      Object.assign(one, run(one))
      open.push(after)
    }
    if (!isOver) continue
    const hadOne = state.starters.some(({ is }) => is !== 'refused')
    if (!hadOne) throw new Error(`Nobody was given the lock: ${key}`)
    const late: Starter = { pid: 50, releases: false, answers: [], is: 'starting' }
    const after = copy(state)
    after.starters.push(late)
    if (alone(after, late) !== (owners[0] ? 'refused' : 'owner')) throw new Error(`Who came last was not given what it should be: ${key}`)
  }
  return seen.size
}

const stale = textOf(ownerOf(GONE))
const holders: [string, Record<string, string>][] = [
  ['there is none', {}],
  ['its process is gone', { [LOCK]: stale }],
  ['a power loss has emptied it', { [LOCK]: '' }],
]

it.each(holders)(
  'of two starters, who may both be killed at any step, never more than one has the lock, where %s; in every order',
  (_, files) => {
    for (const releases of [false, true]) {
      const both = [
        { pid: 1, releases },
        { pid: 2, releases: false },
      ]
      expect(race(files, both, 2)).toBeGreaterThan(100)
    }
  },
)

it('of three starters never more than one has the lock of a process that is gone, in every order; one gives it back', () => {
  const three = [1, 2, 3].map((pid) => ({ pid, releases: pid === 1 }))
  expect(race({ [LOCK]: stale }, three, 0)).toBeGreaterThan(1000)
})

it('a lock that was emptied, with its heirs, is nobody’s', () => {
  const files: Record<string, string> = { [LOCK]: '' }
  for (let heirs = 0; heirs < 3; heirs++) {
    // Killed as heirs, before they replaced the lock.
    const state: State = { files: new Map(Object.entries(files)), starters: [] }
    const heir: Starter = { pid: 7 + heirs, releases: false, answers: [], is: 'starting' }
    state.starters.push(heir)
    for (let { next } = run(heir); next && next[0] !== 'rename'; { next } = run(heir)) heir.answers.push(answer(state, next))
    for (const path of state.files.keys()) if (path.endsWith('.heir')) files[path] = ''
    expect(Object.keys(files)).toHaveLength(heirs + 2)
  }
  const late: Starter = { pid: 50, releases: false, answers: [], is: 'starting' }
  const state: State = { files: new Map(Object.entries(files)), starters: [late] }
  expect(alone(state, late)).toBe('owner')
  expect([...state.files.keys()]).toEqual([LOCK])
})

it.each([
  ['EACCES', 'DATA_LOCKED'],
  ['EIO', 'DISK_FAILED'],
])('a lock that cannot be read (%s) is left where it is: %s', (code, expected) => {
  const state: State = { files: new Map([[LOCK, stale]]), starters: [] }
  const world = new Proxy({} as LockWorld, {
    get:
      (_, name: keyof LockWorld) =>
      (...args: unknown[]) => {
        const given = name === 'read' ? { code } : answer(state, [name, ...args] as unknown as Step)
        if ('code' in given) throw failed(given.code)
        return given.value
      },
  })
  expect(() => takeLock(FOLDER, ownerOf(1), 0, world)).toThrow(expect.objectContaining({ code: expected, advice: expect.any(String) }))
  expect([...state.files]).toEqual([[LOCK, stale]])
})
