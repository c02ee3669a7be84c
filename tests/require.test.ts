import { afterEach, expect, test, vi } from 'vitest'
import { needs } from './require.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

test('a thing that is there is quiet', () => {
  const warn = vi.spyOn(console, 'warn')
  expect(needs('this file', import.meta.filename, 'nothing')).toBe(true)
  expect(needs('a server', true, 'nothing')).toBe(true)
  expect(warn).not.toHaveBeenCalled()
})

test('a missing thing is named with its cure, and the suite is skipped', () => {
  vi.stubEnv('PACKMILL_REQUIRE_ALL', '')
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  expect(needs('the moon', '/no/such/moon', 'wait for the night')).toBe(false)
  expect(warn.mock.calls[0]![0]).toBe('skipped: needs the moon at /no/such/moon, which is missing. To have it: wait for the night')
})

test('PACKMILL_REQUIRE_ALL=1 makes a missing thing a failure', () => {
  vi.stubEnv('PACKMILL_REQUIRE_ALL', '1')
  expect(() => needs('a server', false, 'start it')).toThrow(
    'PACKMILL_REQUIRE_ALL=1: needs a server, which is missing. To have it: start it',
  )
})
