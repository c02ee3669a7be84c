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
    name: 'demo',
    summary: 'play traffic through everything and show it working',
    load: async () => (await import('./commands/demo.ts')).demo,
  },
  {
    name: 'import',
    summary: 'read events from files: sessions and incidents can be queried when it returns',
    load: async () => (await import('./commands/import.ts')).importFiles,
  },
  {
    name: 'sql',
    summary: 'ask the tables',
    load: async () => (await import('./commands/sql.ts')).sql,
  },
  {
    name: 'up',
    summary: 'run as a service; other commands then work through it',
    load: async () => (await import('./commands/up.ts')).up,
  },
  {
    name: 'run',
    summary: 'run a topology of your own: a file with operators, sources and topics',
    load: async () => (await import('./commands/run.ts')).run,
  },
  {
    name: 'traffic',
    summary: 'make believable product traffic: same seed, same events',
    load: async () => (await import('./commands/traffic.ts')).traffic,
  },
  {
    name: 'topology',
    summary: 'what is connected to what; what came in, computed anew',
    load: async () => (await import('./commands/topology.ts')).topology,
  },
  {
    name: 'lag',
    summary: 'how far tasks and sinks are behind what came in',
    load: async () => (await import('./commands/lag.ts')).lag,
  },
  {
    name: 'state',
    summary: 'what is kept between events: its keys, and one of them in words',
    load: async () => (await import('./commands/state.ts')).state,
  },
  {
    name: 'verify',
    summary: 'are the sessions in the tables those that the events make? counts again, and compares',
    load: async () => (await import('./commands/verify.ts')).verify,
  },
  {
    name: 'dlq',
    summary: 'dead letters: count them, look at one, put them in again',
    load: async () => (await import('./commands/dlq.ts')).dlq,
  },
  {
    name: 'upgrade',
    summary: 'after a change of version or settings: finish with the old, keep what it published, or compute all anew',
    load: async () => (await import('./commands/upgrade.ts')).upgrade,
  },
  {
    name: 'completion',
    summary: 'completion of commands, options and settings for your shell',
    load: async () => (await import('./commands/completion.ts')).completion,
  },
  {
    name: 'doctor',
    summary: 'is this machine, and this data folder, well?',
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  {
    name: 'config',
    summary: 'print every setting, its value and where that comes from',
    load: async () => (await import('./commands/config.ts')).config,
  },
]
