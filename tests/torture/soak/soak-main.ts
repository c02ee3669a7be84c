// `npm run torture -- --soak MINUTES`: says what it sees as it goes, and whether it was flat; exit code 1 where something was not, where the counts are wrong,
// or something broke.
import { rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { machine } from '../../../bench/harness/machine.ts'
import { soakChart } from './soak-chart.ts'
import { soakReport } from './soak-report.ts'
import { soakRun } from './soak-run.ts'
import { answers } from './soak-series.ts'

export interface SoakTortureOptions {
  minutes: number
  rate: number
  /** A page of Markdown, written however it went; the plot goes beside it. */
  report?: string
}

export async function soakTorture({ minutes, rate, report }: SoakTortureOptions): Promise<never> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  // Of what runs, whatever is committed meanwhile.
  const where = machine()
  try {
    const run = await soakRun({ minutes, rate, note: (text) => console.log(text) })
    const { samples, differences, folder } = run
    if (report !== undefined) {
      const chart = report.replace(/(\.md)?$/, '.svg')
      writeFileSync(report, soakReport({ run, chart: basename(chart), ...where }))
      writeFileSync(chart, soakChart({ samples, minutes, machine: `${where.machine}; commit ${where.commit}` }))
    }
    const all = answers(samples, minutes)
    for (const { name, verdict } of all) console.log(`${name}: ${[verdict.is, ...verdict.reasons].join('; ')}`)
    console.log(`counts: ${differences.length === 0 ? 'right' : differences.join('; ')}`)
    const isGood = differences.length === 0 && all.every(({ verdict }) => verdict.is === 'flat')
    if (isGood) rmSync(folder, { recursive: true, force: true })
    else console.log(`kept in ${folder}`)
    process.exitCode = isGood ? 0 : 1
  } catch (error) {
    console.log(`STOPPED: ${(error as Error).message}`)
    process.exitCode = 1
  }
  process.exit()
}
