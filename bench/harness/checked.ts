// The figure that the outputs stand behind: differences from the evaluator's answer, of which there must be none.
import type { CheckAnswer, CheckOrder } from './check-topics.ts'
import { inChild } from './in-child.ts'
import type { Figure } from './report.ts'

/** Compares what these folders' topics, or tables, hold with the answer, one folder after the other. */
export async function checked(
  where: 'topics' | 'tables',
  folders: readonly string[],
  answer: string,
  note: (text: string) => void,
): Promise<Figure> {
  let value = 0
  for (const folder of folders) {
    const { differences, sessions, incidents } = await inChild<CheckOrder, CheckAnswer>(`check-${where}`, { folder, answer })
    note(`${sessions.toLocaleString('en-GB')} sessions and ${incidents.toLocaleString('en-GB')} incidents compared with the evaluator's`)
    for (const difference of differences) note(difference)
    value += differences.length
  }
  return { name: 'differences', value, unit: "from the evaluator's answer", atMost: 0 }
}
