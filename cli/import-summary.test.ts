// What an import says at its end.
import { expect, test } from 'vitest'
import { EngineError } from '../engine/errors.ts'
import type { Stats } from '../services/process/embedded.ts'
import type { Local } from '../services/process/local.ts'
import { totalsOf } from './import-summary.ts'

const STATS = { tasks: [] } as unknown as Stats
const folder = (query: () => Promise<unknown[]>) => ({ query }) as unknown as Local

test('where a process fills no tables there are no totals; another failure is one', async () => {
  const failing = (code: string) =>
    totalsOf(
      folder(() => Promise.reject(new EngineError(code, 'm', 'a'))),
      STATS,
      STATS,
    )
  expect(await failing('NO_TABLES')).toBeUndefined()
  await expect(failing('TABLES_SICK')).rejects.toMatchObject({ code: 'TABLES_SICK' })
})
