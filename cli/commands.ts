// The commands, in the order of the help. To add one:
//   1. cli/commands/NAME.ts exports one function that gives its commander Command arguments, options, examples and an action;
//   2. a line here, with the same summary that a user reads in `packmill --help`.
// The file is imported only when its command runs: what it imports costs other commands nothing. What several commands need is beside this
// file: common-options.ts (--data, --set, --config, --json), progress.ts, errors.ts (throw; runCli prints), print.ts.
import type { Command } from 'commander'

export interface CliCommand {
  readonly name: string
  readonly summary: string
  readonly load: () => Promise<(command: Command) => void>
}

export const commands: readonly CliCommand[] = [
  {
    name: 'traffic',
    summary: 'make believable product traffic: same seed, same events',
    load: async () => (await import('./commands/traffic.ts')).traffic,
  },
  {
    name: 'config',
    summary: 'print every setting, its value and where that comes from',
    load: async () => (await import('./commands/config.ts')).config,
  },
]
