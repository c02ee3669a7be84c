// What leaves a pipeline aside: a record that came too late, and one that could not be processed. JSON lines of `<name>.late` and `<name>.dlq`.
import { EngineError } from '../engine/errors.ts'
import { keptMessage, keptText } from '../model/kept-record.ts'

/** Where the record was read. */
export interface Place {
  pipeline: string
  partition: number
  offset: number
}

export function deadLetter(code: string, message: string, { pipeline, partition, offset }: Place, text: string): string {
  const { record, wholeBytes } = keptText(text)
  return JSON.stringify({ code, message: keptMessage(message), pipeline, partition, offset, record, wholeBytes })
}

export function lateRecord({ pipeline, partition, offset }: Place, key: string, timeMs: number, watermark: number, text: string): string {
  const { record, wholeBytes } = keptText(text)
  return JSON.stringify({ pipeline, partition, offset, key: keptText(key).record, timeMs, watermark, record, wholeBytes })
}

export const messageOf = (error: unknown) =>
  error instanceof EngineError ? error.message : error instanceof Error ? `${error.name}: ${error.message}` : String(error)
