// Gives the tables of a data folder that nobody has open rows that live for minutes. The setting counts in whole days, and the engine looks for rows that have
// expired every four hours: nothing that an hour would show. So: a process of its own, before `packmill up`, with the engine's own statements.
//
// The days of the setting stay in the sentence (a day less all but these minutes), because `packmill up` changes tables that do not have them.
import { join } from 'node:path'
import { Session } from 'chdb'

/** Tables whose rows expire, and in what the product counts. */
const TABLES = ['events_raw', 'fact_sessions', 'fact_incidents']
const DAY_MINUTES = 1440

const [folder, minutes] = process.argv.slice(2)
const session = new Session(join(folder, 'analytics', 'engine'))
for (const table of TABLES) {
  const at = `received_at + toIntervalDay(1) - toIntervalMinute(${DAY_MINUTES - Number(minutes)})`
  session.query(`ALTER TABLE ${table} MODIFY TTL ${at} DELETE WHERE received_at > toDateTime64(0, 3, 'UTC')`)
  session.query(`ALTER TABLE ${table} MODIFY SETTING merge_with_ttl_timeout = 60`)
}
session.close()
