import { expect, test } from 'vitest'
import { KillQuotas } from './kill-quotas.ts'
import { killsReport } from './kills-report.ts'
import { withSection } from './report-page.ts'

const quotas = new KillQuotas(2)
quotas.add({ kills: [['import', 'commit'], ['checkpoint'], ['recovery', 'insert']], held: 4, twice: 2 })
const section = killsReport({ seed: 3, wanted: 2, quotas, rounds: 1, events: 12_000, sessions: 300, incidents: 200 })

test('the section says how many kills fell into which moment, and how to do it again', () => {
  expect(section).toContain('Seed 3: 3 kills in 1 rounds over 12,000 events')
  expect(section).toMatch(/\| a commit of epochs was on its way.* \| +1 \|/)
  expect(section).toMatch(/\| stopped, a second process refused meanwhile.* \| +4 \|\n\| killed within a second .* \| +2 \|/)
  expect(section).toContain('npm run torture -- --kills 2 --seed 3 --report')
})

test('a campaign writes its own section of the page, and leaves the other', () => {
  const both = withSection(withSection('', 'On Kafka', 'of old\n'), 'On the embedded log', section)
  expect(both).toMatch(/^# What torture has done\n\n[^#]+\n\n## On the embedded log\n\n[^#]+\n\n## On Kafka\n\nof old\n$/)
  const again = withSection(both, 'On Kafka', 'of now')
  expect(again).toBe(both.replace('of old', 'of now'))
})
