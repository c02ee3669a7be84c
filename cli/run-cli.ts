// Runs one command line. Owns: which command it is, the exit code, and that every failure is printed in one way.
// Never imports a command that is not asked for.
import { Command, CommanderError } from 'commander'
import { commands } from './commands.ts'
import { addExamples } from './common-options.ts'
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE, reportError } from './errors.ts'
import { version } from './version.ts'

const isCommand = (word: string | undefined) => commands.some(({ name }) => name === word)

/** What commander says of a command line that makes no sense, as every other error reads: code, what is wrong, what to do. */
function usageError(text: string, named: string | undefined): string {
  const [wrong = '', ...more] = text
    .trimEnd()
    .replace(/^error: /, '')
    .split('\n')
  const near = more.map((line) => line.replace(/^\((.*)\)$/, '$1 ')).join('')
  const help = isCommand(named) ? `\`packmill ${named} --help\` shows how it is used.` : '`packmill --help` lists the commands.'
  return `USAGE: ${wrong}\n  ${near}${help}\n`
}

/** Resolves with the exit code: 0, 1 for a failure, 2 for a command line that makes no sense. Never rejects. */
export async function runCli(args: readonly string[]): Promise<number> {
  // A reader that has seen enough (`packmill … | head`) is no failure.
  process.stdout.once('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? EXIT_OK : EXIT_FAILURE))
  // A shell asks what may follow.
  const isCompletion = args[0] === 'complete' && args[1] === '--'
  const named = (isCompletion ? args.slice(2) : args).find((arg) => !arg.startsWith('-') && arg !== 'help')
  const program = new Command('packmill')
    .description('Product events in; sessions and friction incidents out, exactly once, in one process.')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .option('--verbose', 'show the stack of an error')
    .helpCommand('help [command]', 'show the help of a command')
    // Of its commands, too.
    .configureOutput({ outputError: (text, write) => write(usageError(text, named)) })
  if (named === undefined) program.version(version())
  addExamples(program, [
    ['packmill demo', 'see it work, in half a minute'],
    ['packmill import events.jsonl.gz', 'your own events'],
    ['packmill sql "SELECT kind, count() FROM incidents GROUP BY kind"', 'ask'],
    ['packmill up', 'run it as a service'],
    ['packmill config --json', 'see what is configured, and where'],
  ])
  try {
    for (const { name, summary, load } of commands) {
      // The adapter brings its own.
      if (isCompletion && name === 'completion') continue
      const command = program.command(name).description(summary).exitOverride()
      if (name === named) (await load())(command)
    }
    if (isCompletion) {
      const { complete } = await import('./complete.ts')
      await complete(program, args.slice(2))
      return EXIT_OK
    }
    const isHelp = args.find((arg) => !arg.startsWith('-')) === 'help'
    if (isHelp && named !== undefined && !isCommand(named)) {
      const { suggest } = await import('../config/suggest.ts')
      const near = suggest(
        named,
        commands.map(({ name }) => name),
      )
      program.error(`error: unknown command '${named}'${near ? `\n(Did you mean ${near}?)` : ''}`)
    }
    if (args.length === 0) {
      program.outputHelp()
      return EXIT_OK
    }
    await program.parseAsync(args, { from: 'user' })
    // A command that has more to say than 0 has set it.
    return Number(process.exitCode ?? EXIT_OK)
  } catch (error) {
    // Commander has printed what it has to say, help included.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE
    reportError(error, { verbose: args.includes('--verbose') })
    return (error as { exitCode?: number } | undefined)?.exitCode ?? EXIT_FAILURE
  }
}
