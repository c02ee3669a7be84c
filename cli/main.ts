// Where the program begins, and where what nobody caught ends: printed like every other failure.
import { EXIT_FAILURE, reportError } from './errors.ts'
import { runCli } from './run-cli.ts'

process.on('uncaughtException', (error) => {
  reportError(error, { verbose: process.argv.includes('--verbose') })
  process.exit(EXIT_FAILURE)
})
process.exitCode = await runCli(process.argv.slice(2))
