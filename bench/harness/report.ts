// What a question answers with: figures, their bounds, and how they are printed. Measures nothing.
import { machine } from './machine.ts'

/** One number. With a bound (one of atLeast, atMost) it holds or it does not; without one it is only reported. */
export interface Figure {
  name: string
  value: number
  unit: string
  atLeast?: number
  atMost?: number
}

export interface Run {
  /** Smaller sizes, under 50 s; the bounds stay. */
  quick: boolean
  /** An empty folder for this run, on a disk; removed after it. */
  folder: string
  /** What somebody who waits should read: sizes, progress. */
  note(text: string): void
}

export interface Question {
  /** As on the command line, and the file's name. */
  name: string
  asks: string
  run(run: Run): Promise<Figure[]>
}

export interface Report {
  question: string
  commit: string
  machine: string
  figures: (Figure & { holds: boolean })[]
}

export const holds = ({ value, atLeast, atMost }: Figure): boolean =>
  Number.isFinite(value) && (atLeast === undefined || value >= atLeast) && (atMost === undefined || value <= atMost)

/** Figures as measured now, on this machine, at this commit. */
export const report = (question: string, figures: readonly Figure[]): Report => ({
  question,
  ...machine(),
  figures: figures.map((figure) => ({ ...figure, value: rounded(figure.value), holds: holds(figure) })),
})

/** The report for people: a line per figure, bounds and whether they hold. */
export function asTable({ question, commit, machine, figures }: Report): string {
  const rows = figures.map(({ name, value, unit, atLeast, atMost, holds }) => [
    name,
    value.toLocaleString('en-GB', { maximumFractionDigits: 3 }),
    unit,
    atLeast === undefined
      ? atMost === undefined
        ? ''
        : `at most ${atMost.toLocaleString('en-GB')}`
      : `at least ${atLeast.toLocaleString('en-GB')}`,
    atLeast === undefined && atMost === undefined ? '' : holds ? 'holds' : 'DOES NOT HOLD',
  ])
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column].length)))
  const line = (row: string[]) =>
    row
      .map((cell, column) => (column === 1 ? cell.padStart(widths[1]) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd()
  return [`${question}  (${machine}; commit ${commit})`, ...rows.map((row) => `  ${line(row)}`)].join('\n')
}

/** Four digits: what is behind them is noise. */
const rounded = (value: number) => (Number.isFinite(value) ? Number(value.toPrecision(Math.abs(value) >= 1e4 ? 6 : 4)) : value)
