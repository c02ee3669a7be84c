import { expect, test } from 'vitest'
import type { WireEvent } from '../model/event.ts'
import { finalRows } from '../tests/oracle/in-memory.ts'
import { ignoreDefaults, ignoredElements, ignoreNothing } from './ignored-elements.ts'
import { rageClickDefaults } from './rage-clicks.ts'

const isIgnored = ignoredElements(ignoreDefaults)

test.each([
  'button.nav-next',
  'a#prev',
  'NEXT',
  'button[aria-label="Next page"]',
  'button:+',
  '−',
  'input#q',
  'INPUT[type=text]',
  'form > input_text#q.wide[ref=15]',
  'div textarea',
  'input',
])('%s is ignored', (element) => expect(isIgnored(element)).toBe(true))

test.each([
  'button#nextstep',
  'btnNext',
  'a.previous',
  'label.input',
  'input_checkbox#c1',
  'form.input > button',
  'a+b',
  'context',
  'button#save',
  '',
])('%s is not', (element) => expect(isIgnored(element)).toBe(false))

test('a list of nothing ignores nothing; texts are texts, no patterns', () => {
  expect(ignoredElements(ignoreNothing)('input.next')).toBe(false)
  const strange = ignoredElements({ kinds: [], texts: ['(', '.*', 'Straße', '\\'] })
  expect(['a', '(', 'x .* y', 'die straße', 'straßen', '\\'].map(strange)).toEqual([false, true, true, true, false, true])
})

test('clicks on an ignored element are no rage, and are counted as clicks', () => {
  const clicks = (element: string) =>
    [0, 1, 2, 3].map(
      (ts): WireEvent => ({ orgId: 'o', productId: 'p', userId: 'u', eventId: `${ts}`, type: 'click', ts, element, screen: '/s' }),
    )
  const rows = (element: string, ignore = ignoreDefaults) =>
    finalRows(clicks(element), { settings: { rage: { ...rageClickDefaults, ignore } } })
  expect(rows('button.next')).toMatchObject({ incidents: [], sessions: [{ click_count: 4, rage_clicks: 0 }] })
  expect(rows('button.next', ignoreNothing).incidents).toMatchObject([{ kind: 'rage_click', count: 4 }])
  expect(rows('button.save').incidents).toMatchObject([{ kind: 'rage_click', count: 4 }])
})
