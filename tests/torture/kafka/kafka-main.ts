// `npm run torture -- --kafka`: says what it does as it goes, and how it ended; exit code 1 where the answer is wrong or something broke.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { withSection } from '../report-page.ts'
import { kafkaReport } from './kafka-report.ts'
import { kafkaRound } from './kafka-round.ts'

export interface KafkaTortureOptions {
  seed: number
  faults: number
  rate: number
  /** Where all went well: a section of this page. */
  report?: string
}

export async function kafkaTorture({ seed, faults, rate, report }: KafkaTortureOptions): Promise<never> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  console.log(`seed ${seed}: ${faults} faults under ${rate} events/s`)
  try {
    const round = await kafkaRound({ seed, faults, rate, note: (text) => console.log(text) })
    const { differences, events, sessions, incidents } = round.answer
    const found = differences.length === 0 ? 'right' : `WRONG, kept in ${round.folder}\n    ${differences.join('\n    ')}`
    console.log(`${faults} faults, ${events} records, ${sessions} sessions, ${incidents} incidents: ${found}`)
    if (differences.length > 0) process.exitCode = 1
    else if (report !== undefined)
      writeFileSync(
        report,
        withSection(existsSync(report) ? readFileSync(report, 'utf8') : '', 'On Kafka', kafkaReport({ seed, rate, round })),
      )
  } catch (error) {
    console.log(`STOPPED: ${(error as Error).message}`)
    process.exitCode = 1
  }
  // Connections that were cut may be made again for a while.
  process.exit()
}
