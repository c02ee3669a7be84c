import { expect, test } from 'vitest'
import { checkUserStatement } from './user-statement.ts'

test.each([
  "SELECT * FROM file('/etc/passwd', 'LineAsString')",
  "SELECT * FROM `file`('/etc/passwd', 'LineAsString')",
  "SELECT * FROM FILE /* x */ ('/etc/passwd')",
  "SELECT file('/etc/passwd')",
  "DESCRIBE url('http://10.0.0.1/', 'CSV')",
  "SELECT * FROM s3Cluster('c', 'http://a/b')",
  "SELECT * FROM deltaLakeLocal('/x')",
  "SELECT * FROM remoteSecure('h', 'default.t')",
  "SELECT * FROM '/etc/passwd'",
  'SELECT * FROM "/etc/passwd"',
  'SELECT * FROM sessions JOIN `x.csv` USING (a)',
  "SELECT * FROM sessions, '/etc/passwd'",
  "CREATE TEMPORARY TABLE t (a Int32) ENGINE = File('CSV', '/etc/passwd')",
  "INSERT INTO FUNCTION file('x.csv', 'CSV', 'a Int32') SELECT 1",
  "SELECT 1 INTO OUTFILE 'x'",
  "SELECT 1 into/**/outfile 'x'",
  "SELECT 'it''s \\' ' INTO OUTFILE 'x'",
  "SELECT $$'$$ INTO OUTFILE 'x'",
  "SELECT 1 AS `'` INTO OUTFILE 'x'",
  "SELECT 1 AS \"'\" INTO OUTFILE 'x'",
  'SELECT 1; SELECT 2',
  "SELECT 1 -- '\n; SELECT '2'",
])('refused: %s', (sql) => {
  expect(() => checkUserStatement(sql)).toThrow(expect.objectContaining({ code: 'QUERY_FORBIDDEN', retryable: false }))
})

test.each([
  'SELECT count() FROM sessions',
  'SELECT 1;',
  "SELECT 'a; b INTO OUTFILE, file(1)' AS text -- ; file(",
  'SELECT url, file FROM events /* url( */ WHERE url IN (1)',
  "SELECT domain(url), URLHash('x') FROM events",
  'SELECT * FROM numbers(2)',
  "SELECT * FROM sessions WHERE user_id = '' ; ",
  "SELECT trim(BOTH '' FROM screen) FROM incidents",
  'DESCRIBE sessions',
])('goes to the engine: %s', (sql) => {
  expect(() => checkUserStatement(sql)).not.toThrow()
})
