// The order in which vitest begins the files: those first that take longest, so that no worker is left with one of them at the end while the
// other has nothing to do. Owns the list, which only has to be about right: what it lacks is begun by what vitest knows (durations, else sizes).
import { relative, sep } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Ten seconds and more, on two cores. */
export const LONGEST = [
  'tests/sim/simulate.test.ts',
  'tests/end-to-end.test.ts',
  'cli/import.test.ts',
  'tests/kafka/processes.kafka.test.ts',
  'tests/kafka/commands.kafka.test.ts',
  'cli/up.test.ts',
  'cli/topology-lineages.test.ts',
  'tests/damage/flipped-bits.test.ts',
  'tests/house/package.test.ts',
  'tests/torture/torture.test.ts',
  'tests/torture/kafka/kafka-torture.kafka.test.ts',
  'tests/house/tools.test.ts',
  'stores/kafka/kafka-faults.kafka.test.ts',

  'tests/supervision/upgrade.test.ts',
  'cli/lag-and-state.test.ts',
  'cli/dlq.test.ts',
  'cli/ingest.test.ts',
  'tests/supervision/lanes.test.ts',
  'tests/kafka/process.kafka.test.ts',
  'tests/kafka/reset.kafka.test.ts',
  'tests/laws/resume.test.ts',
  'tests/damage/log-and-state.test.ts',
  'cli/run.test.ts',
  'services/process/verify.test.ts',
  'tests/kafka/owners.kafka.test.ts',
  'cli/verify.test.ts',
  'cli/run-tables.test.ts',
  'tests/laws/agree.real.test.ts',
  'tests/sim/planted/planted.test.ts',
  'tests/sim/shrink.test.ts',
  'tests/kafka/members.kafka.test.ts',
  'tests/laws/agree.test.ts',
  'tests/damage/analytics.test.ts',
  'tests/supervision/poison.test.ts',
  'stores/kafka/kafka-log.kafka.test.ts',
  'tests/oracle/planted-bugs.test.ts',
  'cli/upgrade-topology.test.ts',
  'tests/damage/disk-full.test.ts',
  'tests/formats/formats.test.ts',
]

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId, project }: TestSpecification) => {
      const at = LONGEST.indexOf(relative(project.config.root, moduleId).replaceAll(sep, '/'))
      return at < 0 ? LONGEST.length : at
    }
    // Stable: the others stay as they were.
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}
