// npm run bench -- QUESTION: measures now and prints the figures. Owns the command line and what is saved; each question is a file beside this one.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { exactlyOnce } from './exactly-once.ts'
import { asTable, type Question, type Report, report } from './harness/report.ts'
import { saveResult } from './harness/results.ts'
import { importFile } from './import.ts'
import { lane } from './lane.ts'
import { lanes } from './lanes.ts'
import { operators } from './operators.ts'
import { scan } from './scan.ts'
import { stores } from './stores.ts'

export const questions: readonly Question[] = [lane, lanes, importFile, exactlyOnce, operators, scan, stores]

const help = `Usage: npm run bench -- [question…|all] [options]

Measures now and prints the figures; ends with 1 where one is out of its bounds. What each measures, and what not: bench/METHOD.md.

Questions:
${questions.map(({ name, asks }) => `  ${name.padEnd(14)}${asks}`).join('\n')}

Options:
  --quick       smaller sizes, which are printed, under 50 s; the bounds stay
  --json        print JSON: { question, commit, machine, figures: [{ name, value, unit, atLeast | atMost, holds }] }
  --save        keep the result in bench/results and draw the README's chart anew
  -h, --help

Examples:
  npm run bench                          # lists the questions
  npm run bench -- lane --quick          # one question, in less than a minute
  npm run bench -- lane --json           # for programs
  npm run bench -- all --save            # everything, as in the README: takes a while`

/** Returns the exit code: 0, 1 where a figure does not hold, 2 where the command line is wrong. */
export async function main(args: string[], known: readonly Question[] = questions): Promise<number> {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(args)
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`)
    return 2
  }
  const { values, positionals } = parsed
  if (values.help || positionals.length === 0) {
    console.log(help)
    return 0
  }
  const unknown = positionals.find((name) => name !== 'all' && !known.some((question) => question.name === name))
  if (unknown !== undefined) {
    console.error(`No question is named ${unknown}: ${known.map(({ name }) => name).join(', ')}, all`)
    return 2
  }
  let code = 0
  for (const question of positionals.includes('all') ? known : known.filter(({ name }) => positionals.includes(name))) {
    const result = await ask(question, values.quick)
    if (!result.figures.every(({ holds }) => holds)) code = 1
    console.log(values.json ? JSON.stringify(result) : asTable(result))
    if (values.save) saveResult(result, values.quick)
  }
  return code
}

const parse = (args: string[]) =>
  parseArgs({
    args,
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })

async function ask(question: Question, quick: boolean): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), `packmill-bench-${question.name}-`))
  // A measurement that is interrupted leaves gigabytes otherwise.
  const remove = () => rmSync(folder, { recursive: true, force: true })
  const interrupted = () => {
    remove()
    process.exit(130)
  }
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    const figures = await question.run({ quick, folder, note: (text) => console.error(`  ${question.name}: ${text}`) })
    return report(question.name, figures)
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
    remove()
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
