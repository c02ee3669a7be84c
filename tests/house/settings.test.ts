// A setting that nothing reads would be a promise that nothing keeps.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { defaults, settings } from '../../config/index.ts'
import { abandonedTaskDefaults } from '../../operators/abandoned-tasks.ts'
import { backtrackDefaults } from '../../operators/backtracks.ts'
import { deadClickDefaults } from '../../operators/dead-clicks.ts'
import { rageClickDefaults } from '../../operators/rage-clicks.ts'
import { scoreDefaults } from '../../operators/scores.ts'
import { isProof, productFolders, root, sourceFiles } from './project.ts'
import { readsOf } from './reads.ts'

// The configuration makes settings, and the doctor looks at them: neither does what they say.
const files = sourceFiles(productFolders).filter((path) => !isProof(path) && !/^(config|cli\/doctor)\//.test(path))
const readsIn = (path: string) => readsOf(path, readFileSync(join(root, path), 'utf8'))
const reads = new Set(files.flatMap((path) => [...readsIn(path)]))

/** Settings that are handed on as a whole, under another name: where they are read, and of what. */
const weights = (of: string) =>
  Object.keys(defaults.clickstream.scores.frustration).map((name) => [
    `clickstream.scores.${of}.${name}`,
    ['operators/scores.ts', `weights.${name}`],
  ])
const HANDED_ON: Readonly<Record<string, readonly [file: string, read: string]>> = {
  'clickstream.gapMs': ['engine/actor/window.ts', 'settings.gapMs'],
  'clickstream.allowedDisorderMs': ['engine/actor/window.ts', 'settings.allowedDisorderMs'],
  'clickstream.idleTimeoutMs': ['engine/lane/epoch.ts', 'window.idleTimeoutMs'],
  'clickstream.snapshotMs': ['engine/actor/publisher.ts', 'settings.snapshotMs'],
  'clickstream.sessionMaxMs': ['engine/actor/window.ts', 'settings.sessionMaxMs'],
  'clickstream.sessionEventsMax': ['engine/actor/window.ts', 'settings.sessionEventsMax'],
  'clickstream.rage.profile': ['operators/rage-clicks.ts', 'options.profile'],
  'clickstream.rage.clicks': ['operators/rage-clicks.ts', 'options.clicks'],
  'clickstream.rage.withinMs': ['operators/rage-clicks.ts', 'options.withinMs'],
  'clickstream.rage.ignore.kinds': ['operators/ignored-elements.ts', 'IgnoreList.kinds'],
  'clickstream.rage.ignore.texts': ['operators/ignored-elements.ts', 'IgnoreList.texts'],
  'clickstream.backtrackMs': ['topologies/clickstream.ts', 'settings.backtrackMs'],
  'clickstream.abandonMs': ['topologies/clickstream.ts', 'settings.abandonMs'],
  'clickstream.deadClicks.withinMs': ['operators/dead-clicks.ts', 'DeadClickOptions.withinMs'],
  ...Object.fromEntries([...weights('frustration'), ...weights('efficiency')]),
  // What a broker is given is made of them there, and with what is wrong in them.
  'kafka.tls.enabled': ['config/kafka-settings.ts', 'tls.enabled'],
  'kafka.sasl.mechanism': ['config/kafka-settings.ts', 'sasl.mechanism'],
  'kafka.sasl.username': ['config/kafka-settings.ts', 'sasl.username'],
  'kafka.sasl.password': ['config/kafka-settings.ts', 'sasl.password'],
}

/** By its last two names, so that another thing of that name (`event.url`) does not count. */
const isReadAsItself = (path: string) => {
  const [parent, name] = ['Config', ...path.split('.')].slice(-2)
  return reads.has(`${parent}.${name}`) || (parent === 'Config' && reads.has(`config.${name}`))
}

const acted = settings.filter(({ comesWith }) => !comesWith).map(({ path }) => path)
test.each(acted)('%s is read by the product', (path) => {
  const [file, read] = HANDED_ON[path] ?? []
  if (file) expect([...readsIn(file)]).toContain(read)
  else expect(isReadAsItself(path)).toBe(true)
})

test('what is said to be handed on is a setting, and is not read as itself', () => {
  expect(acted).toEqual(expect.arrayContaining(Object.keys(HANDED_ON)))
  expect(Object.keys(HANDED_ON).filter(isReadAsItself)).toEqual([])
})

test('a read is an access or a destructured name, and no word in a string, a comment, a type or a literal', () => {
  const code = `
    // engine.lanes
    const said = 'engine.lanes' + \`engine.lanes of \${config.engine.epochMs}\`
    const made = { engine: { lanes: 1 } }
    interface Engine { lanes: number }
    const { stallMs, ...rest } = kafka ? config.kafka : config!.engine
    const { log: { journalBytes: bytes } } = config
    const f = ({ logLevel }: Pick<Config, 'logLevel'>, { lanes }: Config['other']) => bytes`
  expect([...readsOf('x.ts', code)].sort()).toEqual([
    'Config.logLevel',
    'config.engine',
    'config.kafka',
    'config.log',
    'engine.epochMs',
    'engine.stallMs',
    'kafka.stallMs',
    'log.journalBytes',
    'other.lanes',
  ])
})

test('the operators’ own defaults are those of the configuration, which may import none of them', () => {
  const { rage, backtrackMs, abandonMs, deadClicks, scores } = defaults.clickstream
  expect(rageClickDefaults).toEqual(rage)
  expect(backtrackDefaults.withinMs).toBe(backtrackMs)
  expect(abandonedTaskDefaults.withinMs).toBe(abandonMs)
  expect(deadClickDefaults.withinMs).toBe(deadClicks.withinMs)
  expect(scoreDefaults).toEqual(scores)
})
