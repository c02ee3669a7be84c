// packmill doctor: is this machine, and this data folder, well? Looks, and changes nothing: the folder is not opened; figures of a running process
// come from that process.
import type { Command } from 'commander'
import { addDataOptions, addExamples, addJsonOption, type DataOptions, resolveConfig } from '../common-options.ts'
import type { Finding } from '../doctor/finding.ts'
import { EXIT_FAILURE } from '../errors.ts'

export function doctor(command: Command): void {
  command.action(run)
  addExamples(addJsonOption(addDataOptions(command)), [
    ['packmill doctor', 'Node, packages, data folder, settings'],
    ['packmill doctor --data /var/lib/packmill --json', 'for programs; exit code 1 where something is wrong'],
  ])
}

async function run(options: DataOptions & { json?: boolean }): Promise<void> {
  const loaded = await resolveConfig(options)
  const { config } = loaded
  const [{ lookAtFolder }, { checkKafka }, { checkMachine }, { checkSettings }, { checkBounds }] = await Promise.all([
    import('../doctor/folder.ts'),
    import('../doctor/kafka.ts'),
    import('../doctor/machine.ts'),
    import('../doctor/settings.ts'),
    import('../doctor/bounds.ts'),
  ])
  const folder = await lookAtFolder(loaded)
  const findings: Finding[] = [
    ...(await checkMachine()),
    ...folder.findings,
    ...(await checkKafka(config)),
    ...checkSettings(config),
    ...checkBounds(config, folder.stats),
  ]
  const isWell = findings.every(({ state }) => state !== 'wrong')
  if (options.json) console.log(JSON.stringify({ well: isWell, findings }, null, 2))
  else console.log(asText(findings, isWell))
  if (!isWell) process.exitCode = EXIT_FAILURE
}

const MARKS: Readonly<Record<Finding['state'], string>> = { well: 'ok  ', notice: 'note', wrong: 'BAD ' }

function asText(findings: readonly Finding[], isWell: boolean): string {
  const width = Math.max(...findings.map(({ about }) => about.length))
  const lines = findings.flatMap(({ state, about, found, advice }) => [
    `${MARKS[state]}  ${about.padEnd(width)}  ${found}`,
    ...(advice ? [`${' '.repeat(width + 8)}${advice}`] : []),
  ])
  return [...lines, '', isWell ? 'Everything that is needed is there.' : 'What is marked BAD must be mended.'].join('\n')
}
