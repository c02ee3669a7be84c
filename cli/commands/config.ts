// packmill config: every setting, its value, where that comes from. Shows also what this version does not act on, and says so.
import type { Command } from 'commander'
import { describeAllowed, formatNumber, type LoadedConfig, type Setting, settings } from '../../config/index.ts'
import { suggest } from '../../config/suggest.ts'
import { addDataOptions, addExamples, addJsonOption, type DataOptions, resolveConfig } from '../common-options.ts'
import { formatTable } from '../print.ts'

interface ConfigOptions extends DataOptions {
  json?: boolean
  describe?: boolean
}

export function config(command: Command): void {
  command
    .argument('[path]', 'only the settings below this path, as in clickstream')
    .option('--describe', 'what each setting means and accepts, and the name of its environment variable')
    .action(async (path: string | undefined, options: ConfigOptions) => {
      const loaded = await resolveConfig(options, { showOnly: true })
      const chosen = settings.filter((setting) => path === undefined || setting.path === path || setting.path.startsWith(`${path}.`))
      if (chosen.length === 0) {
        const near =
          path &&
          suggest(
            path,
            settings.map((setting) => setting.path),
          )
        command.error(`error: no setting is called ${path}${near ? `\n(Did you mean ${near}?)` : ''}`)
      }
      console.log(options.json ? asJson(chosen, loaded) : options.describe ? asDescription(chosen, loaded) : asTable(chosen, loaded))
    })
  addExamples(addJsonOption(addDataOptions(command)), [
    ['packmill config', 'all settings'],
    ['packmill config clickstream --describe', 'what the settings of a group mean'],
    ['packmill config --set clickstream.gapMs=5m --json', 'what a command with this option would use'],
  ])
}

function valueIn({ path, secret }: Setting, { config }: LoadedConfig): unknown {
  const value = path.split('.').reduce<unknown>((node, name) => (node as Record<string, unknown>)[name], config)
  if (!secret || value === '') return value
  return Array.isArray(value) ? value.map(() => '(secret)') : '(secret)'
}

function shown(setting: Setting, loaded: LoadedConfig): string {
  const value = valueIn(setting, loaded)
  if (typeof value === 'number') return formatNumber(setting, value)
  const text = Array.isArray(value) ? value.join(', ') : String(value)
  return text === '' ? '(none)' : text
}

const source = (setting: Setting, { origins }: LoadedConfig) => origins.get(setting.path)!
const remark = ({ comesWith }: Setting) => (comesWith ? `not in this version: comes with ${comesWith}` : '')

function asTable(chosen: readonly Setting[], loaded: LoadedConfig): string {
  return formatTable(chosen.map((setting) => [setting.path, shown(setting, loaded), source(setting, loaded), remark(setting)]))
}

function asDescription(chosen: readonly Setting[], loaded: LoadedConfig): string {
  const paragraphs = chosen.map((setting) =>
    [
      `${setting.path} = ${shown(setting, loaded)}  (${source(setting, loaded)})`,
      `  ${setting.description}`,
      `  ${describeAllowed(setting)}; ${setting.variable}`,
      ...(setting.comesWith ? [`  ${remark(setting)}`] : []),
    ].join('\n'),
  )
  return paragraphs.join('\n\n')
}

function asJson(chosen: readonly Setting[], loaded: LoadedConfig): string {
  const list = chosen.map((setting) => ({
    path: setting.path,
    value: valueIn(setting, loaded),
    source: source(setting, loaded),
    variable: setting.variable,
    description: setting.description,
    ...(setting.comesWith ? { comesWith: setting.comesWith } : {}),
  }))
  return JSON.stringify({ settings: list }, null, 2)
}
