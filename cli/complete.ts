// What may follow on a command line: asked by the scripts of `packmill completion`. Owns which words are settings and which are files; the grammar is
// commander's, the protocol is @bomb.sh/tab's.
import tab, { ShellCompDirective, type Command as TabCommand } from '@bomb.sh/tab'
import fromCommander from '@bomb.sh/tab/commander'
import type { Command } from 'commander'
import { SHELLS } from './commands/completion.ts'

/** Options that name a file or a folder. */
const FILES = ['data', 'config', 'out', 'rejects', 'input', 'truth', 'topology', 'into']
/** Topologies that have a name; others are files. */
const TOPOLOGY = 'clickstream'

/** Prints what may follow `words`, the last of them unfinished. `program`: with the options of the command that they name. */
export async function complete(program: Command, words: readonly string[]): Promise<void> {
  fromCommander(program, { completionCommandName: 'completion' })
  const { settings } = await import('../config/index.ts')
  let isFile = false
  /** What is offered ends in `=`: its value follows without a space. */
  let isBegun = false
  const file = () => {
    isFile = true
  }
  for (const [name, command] of [['', tab as TabCommand] as const, ...tab.commands]) {
    for (const option of FILES) {
      const known = command.options.get(option)
      if (known) known.handler = file
    }
    const set = command.options.get('set')
    if (set)
      set.handler = (add) => {
        isBegun = true
        settings.forEach(({ path, description }) => void add(`${path}=`, description))
      }
    for (const argument of command.arguments.values()) {
      if (name === 'completion') argument.handler = (add) => SHELLS.forEach((shell) => void add(shell, ''))
      if (name === 'import' || name === 'run') argument.handler = file
      if (name.startsWith('topology '))
        argument.handler = (add) => {
          // The others look into a data folder.
          if (name === 'topology describe') file()
          add(TOPOLOGY, '')
        }
      if (name === 'config') argument.handler = (add) => settings.forEach(({ path, description }) => void add(path, description))
    }
  }
  // It says "no files" for every word otherwise.
  const directive = () =>
    (isFile ? ShellCompDirective.ShellCompDirectiveDefault : ShellCompDirective.ShellCompDirectiveNoFileComp) |
    (isBegun ? ShellCompDirective.ShellCompDirectiveNoSpace : 0)
  Object.defineProperty(tab, 'directive', { get: directive, set: () => undefined })
  tab.parse([...words])
}
