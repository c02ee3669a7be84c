// The page of the figures: a row for each saved one that has a bound. Numbers come from the results and nowhere else.
import type { Question } from './report.ts'
import type { Result } from './results.ts'

const number = (value: number) => value.toLocaleString('en-GB', { maximumSignificantDigits: 4 })

/** Markdown. Always the same for the same results. A figure whose bound is 0 counts what is wrong; it is said only where it is not 0. */
export function figuresPage(results: readonly Result[], known: readonly Question[]): string {
  const rows = known.flatMap(({ name: question, asks }) => {
    const result = results.find((one) => one.question === question)
    if (!result) return [[`\`${question}\`: ${asks}`, '', 'not saved yet', '', '', '']]
    const judged = result.figures.filter(
      ({ atLeast, atMost, holds }) => atLeast !== undefined || (atMost !== undefined && (atMost > 0 || !holds)),
    )
    return judged.map(({ name, value, unit, atLeast, atMost, holds }, i) => [
      i > 0 ? '' : `\`${question}\`: ${asks}${result.quick ? ' (quick sizes)' : ''}`,
      `\`${name}\`, ${unit}`,
      number(value),
      atLeast === undefined ? `at most ${number(atMost!)}` : `at least ${number(atLeast)}`,
      holds ? 'holds' : '**misses**',
      `${result.machine.replace(/, .*/, '')}, ${result.measuredAt.slice(0, 10)}, ${result.commit}`,
    ])
  })
  const table = [['question', 'figure', 'measured', 'bound', '', 'where and when'], ['---', '---', '---:', '---:', '---', '---'], ...rows]
  return `# Figures

What \`npm run bench\` measured and saved, in full unless it says otherwise: each figure that has a bound. Drawn from [bench/results](../bench/results) by
\`npm run bench -- chart\`; what each means, and how far to trust it: [METHOD.md](../bench/METHOD.md). Machines differ by a factor of two to three, and share their
cores with others: of one machine only ratios can be compared with another's.

${table.map((row) => `| ${row.join(' | ')} |`).join('\n')}
`
}
