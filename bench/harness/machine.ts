// Where and at which commit something was measured, in words.
import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

/** `commit` ends in `+` where the checkout has changes that are not committed (saved results aside), and is `unknown` outside one. */
export function machine(): { commit: string; machine: string } {
  const memory = Math.round(totalmem() / 2 ** 30)
  const model = cpus()[0]?.model.replace(/\s+/g, ' ').trim() || process.arch
  return {
    commit: commit(),
    machine: `${availableParallelism()} × ${model}, ${memory} GB, ${process.platform} ${process.arch}, Node ${process.versions.node}`,
  }
}

function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    return (
      git('rev-parse', '--short', 'HEAD') +
      (git(
        'status',
        '--porcelain',
        '--untracked-files=no',
        '--',
        '.',
        ':!bench/results',
        ':!docs/figures.svg',
        ':!docs/sweep.svg',
        ':!docs/scale.svg',
      ) === ''
        ? ''
        : '+')
    )
  } catch {
    return 'unknown'
  }
}
