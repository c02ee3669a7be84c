import { expect, test } from 'vitest'
import { sqlError } from './sql-error.ts'

const said = (message: string, statement: string) => sqlError(Object.assign(new Error(message), { code: 'QUERY_FAILED' }), statement)

test.each([
  ['Unknown expression identifier `x` in scope SELECT x.', 'SELECT x', /a FROM; text goes into single quotes/],
  [
    'Unknown expression or function identifier `x` in scope SELECT 1.',
    'SELECT * FROM sessions WHERE user_id = "x"',
    /^`DESCRIBE sessions` .*; text goes into single quotes/,
  ],
  ['Unknown function identifier `x` in scope SELECT 1.', 'SELECT 1 FROM events', /`DESCRIBE events`/],
  ['Unknown identifier `x`', 'SELECT 1 FROM events', /`DESCRIBE events`/],
])('%s: a column that there is not, or a text in the wrong quotes', (message, statement, advice) => {
  expect(said(message, statement)).toMatchObject({ code: 'SQL_UNKNOWN_COLUMN', advice: expect.stringMatching(advice) })
})
