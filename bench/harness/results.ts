// Results that are kept: bench/results/QUESTION.json, a report and when it was made.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Report } from './report.ts'

const folder = join(import.meta.dirname, '..', 'results')

export interface Result extends Report {
  measuredAt: string
  quick: boolean
}

export function saveResult(report: Report, quick: boolean): void {
  mkdirSync(folder, { recursive: true })
  const result: Result = { ...report, measuredAt: new Date().toISOString(), quick }
  writeFileSync(join(folder, `${report.question}.json`), `${JSON.stringify(result, null, 2)}\n`)
}

/** The kept result of a question, or undefined. */
export function readResult(question: string): Result | undefined {
  const path = join(folder, `${question}.json`)
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Result) : undefined
}
