// Results that are kept: QUESTION.json, a report and when it was made; and where the charts of them are.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Report } from './report.ts'

const root = join(import.meta.dirname, '..', '..')

export interface Result extends Report {
  measuredAt: string
  quick: boolean
}

export interface Kept {
  /** Paths of the SVGs: of the figures with bounds, of the sweep, and of the scale. */
  chart: string
  sweepChart: string
  scaleChart: string
  /** The path of the page with all bounds. */
  page: string
  save(report: Report, quick: boolean): void
  /** All that are kept, by name. */
  read(): Result[]
}

export const keptIn = (folder: string, charts: string): Kept => ({
  chart: join(charts, 'figures.svg'),
  sweepChart: join(charts, 'sweep.svg'),
  scaleChart: join(charts, 'scale.svg'),
  page: join(charts, 'figures.md'),
  save(report, quick) {
    mkdirSync(folder, { recursive: true })
    const result: Result = { ...report, measuredAt: new Date().toISOString(), quick }
    writeFileSync(join(folder, `${report.question}.json`), `${JSON.stringify(result, null, 2)}\n`)
  },
  read() {
    if (!existsSync(folder)) return []
    const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
    return files.sort().map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Result)
  },
})

/** The project's own. */
export const results = keptIn(join(root, 'bench', 'results'), join(root, 'docs'))
