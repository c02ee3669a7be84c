// Prints the last line of .ci/run from vitest's JSON report: `N passed, N failed` and, where there are any, `, N skipped`.
// A file that failed outside its tests (it did not load) counts as one failure, or it would go unseen in the sum.
import { readFileSync } from 'node:fs'

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const broken = report.testResults.filter(
  (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
).length
const skipped = report.numPendingTests + report.numTodoTests
console.log(`${report.numPassedTests} passed, ${report.numFailedTests + broken} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
