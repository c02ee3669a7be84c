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
  "SELECT 1 INTO OUTFILE 'x'",
  "SELECT 1 into/**/outfile 'x'",
  "SELECT 'it''s \\' ' INTO OUTFILE 'x'",
  "SELECT $$'$$ INTO OUTFILE 'x'",
  "SELECT 1 AS `'` INTO OUTFILE 'x'",
  "SELECT 1 AS \"'\" INTO OUTFILE 'x'",
  "SELECT * FROM (SELECT 1 AS z) AS a, '/etc/passwd'",
  "SELECT * FROM sessions AS limit, '/etc/passwd'",
  "SELECT * FROM sessions SAMPLE 0.1 OFFSET 0.5, '/etc/passwd'",
  "SELECT * FROM sessions AS a JOIN sessions AS b ON a.user_id = b.user_id, '/etc/passwd'",
  "FROM '/etc/passwd' SELECT *",
  "SELECT trim(BOTH ' ' FROM 'text') FROM '/etc/passwd'",
  "SELECT substring((SELECT 1 FROM '/etc/passwd') FROM 2)",
  "SELECT 1 IS DISTINCT FROM 2, * FROM sessions, '/etc/passwd'",
  'SELECT * FROM default."/etc/passwd"',
  'SELECT 1 IN "/etc/passwd"',
  'SELECT * FROM “/etc/passwd”',
  "SELECT ‘'’, * FROM file('/etc/passwd') WHERE '’' != ''",
  "SELECT * FROM filesystem('/etc')",
  "SELECT * FROM eval('SELECT 1')",
  "SELECT * FROM someNewStorage('/etc/passwd')",
  'SELECT 1; SELECT 2',
  "SELECT 1 -- '\n; SELECT '2'",
])('refused: %s', (sql) => {
  expect(() => checkUserStatement(sql)).toThrow(expect.objectContaining({ code: 'QUERY_FORBIDDEN', retryable: false }))
})

test.each([
  "KILL QUERY WHERE user = 'default'",
  "BACKUP TABLE sessions TO Disk('default', 'x')",
  'kill /* x */ mutation WHERE 1',
  '/* SELECT */ -- SELECT\n SYSTEM FLUSH LOGS',
  '((OPTIMIZE TABLE sessions))',
  '\u200bKILL QUERY WHERE 1',
  'SET max_threads = 1',
  'USE system',
  "CREATE TEMPORARY TABLE t (a Int32) ENGINE = File('CSV', '/etc/passwd')",
  "INSERT INTO FUNCTION file('x.csv', 'CSV', 'a Int32') SELECT 1",
])('this only reads: %s', (sql) => {
  expect(() => checkUserStatement(sql)).toThrow(
    expect.objectContaining({ code: 'SQL_READ_ONLY', advice: expect.stringContaining('SELECT, WITH, SHOW, DESCRIBE') }),
  )
})

test.each([
  'SELECT count() FROM sessions',
  '-- all of them\n((SELECT 1) UNION ALL (SELECT 2))',
  'FROM sessions SELECT count()',
  'with 1 AS a SELECT a',
  'SHOW TABLES',
  'EXISTS TABLE sessions',
  'CHECK TABLE fact_sessions',
  'EXPLAIN SELECT 1',
  'DESC sessions',
  'SELECT 1;',
  "SELECT 'a; b INTO OUTFILE, file(1)' AS text -- ; file(",
  'SELECT url, file FROM events /* url( */ WHERE url IN (1)',
  "SELECT domain(url), URLHash('x') FROM events",
  'SELECT * FROM numbers(2)',
  "SELECT * FROM sessions WHERE user_id = '' ; ",
  "SELECT trim(BOTH '' FROM screen) FROM incidents",
  "SELECT trim(BOTH ' ' FROM 'text')",
  "SELECT extract(YEAR FROM '2020-01-01'::Date), substring('abc' FROM 2)",
  "SELECT screen IS DISTINCT FROM 'home' FROM incidents",
  "SELECT kind, 'x' AS x FROM incidents WHERE kind IN ('a', 'b') GROUP BY kind, 'x' ORDER BY kind DESC, 'x' LIMIT 1 BY kind, 'x'",
  'SELECT count() AS "n.all", max(ts) AS "last/seen" FROM events GROUP BY screen, org_id ORDER BY screen, "n.all"',
  "WITH a AS (SELECT 1), 'x' AS b SELECT b, * FROM a, sessions s LEFT JOIN (SELECT 2 AS z) AS c ON c.z = 1 SETTINGS max_threads = 1, join_algorithm = 'hash'",
  "SELECT * FROM values('a String', 'x', 'y'), numbers(2), view(SELECT 1)",
  "SELECT * FROM events ARRAY JOIN splitByChar('/', screen) AS part",
  'DESCRIBE sessions',
])('goes to the engine: %s', (sql) => {
  expect(() => checkUserStatement(sql)).not.toThrow()
})
