// The evaluator's answer on disk: rows line by line, and counts.
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Evaluation } from '../../tests/oracle/evaluate.ts'
import type { IncidentAnswer, SessionAnswer } from '../../tests/oracle/session-rows.ts'

export interface AnswerCounts {
  /** Accepted, duplicates included. */
  events: number
  duplicates: number
  sessions: number
  incidents: number
}

const LINES_PER_WRITE = 1000

export function writeAnswer(folder: string, events: number, { sessions, incidents, duplicates }: Evaluation): void {
  writeRows(join(folder, 'sessions.jsonl'), [...sessions.values()])
  writeRows(join(folder, 'incidents.jsonl'), [...incidents.values()])
  const counts: AnswerCounts = { events, duplicates: duplicates.length, sessions: sessions.size, incidents: incidents.size }
  writeFileSync(join(folder, 'counts.json'), JSON.stringify(counts))
}

export const readCounts = (folder: string) => JSON.parse(readFileSync(join(folder, 'counts.json'), 'utf8')) as AnswerCounts

/** Rows by their ids, as the evaluator gave them. */
export function readAnswer(folder: string): { sessions: Map<string, SessionAnswer>; incidents: Map<string, IncidentAnswer> } {
  const sessions = readRows<SessionAnswer>(join(folder, 'sessions.jsonl'))
  const incidents = readRows<IncidentAnswer>(join(folder, 'incidents.jsonl'))
  return {
    sessions: new Map(sessions.map((row) => [row.session_id, row])),
    incidents: new Map(incidents.map((row) => [row.incident_id, row])),
  }
}

function writeRows(path: string, rows: readonly object[]): void {
  const file = openSync(path, 'w')
  for (let at = 0; at < rows.length; at += LINES_PER_WRITE) {
    const lines = rows.slice(at, at + LINES_PER_WRITE).map((row) => `${JSON.stringify(row)}\n`)
    writeSync(file, lines.join(''))
  }
  closeSync(file)
}

/** A string holds at most half a gigabyte, so line by line from the bytes. */
function readRows<Row>(path: string): Row[] {
  const bytes = readFileSync(path)
  const rows: Row[] = []
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(10, start)
    rows.push(JSON.parse(bytes.toString('utf8', start, newline)) as Row)
    start = newline + 1
  }
  return rows
}
