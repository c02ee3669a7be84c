// npm run api: writes docs/api, the reference of what the package exports, from the docstrings. Owns which modules there are and how pages look.
//
// A public symbol without a docstring, and a link that leads nowhere, are errors: the reference is whole or it is not made.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Application, Logger, LogLevel } from 'typedoc'

const root = join(import.meta.dirname, '..')
export const apiFolder = 'docs/api'

/** What is imported → where it is written. */
const MODULES = { packmill: 'streams/index.ts', 'packmill/testing': 'streams/testing.ts' }

/** Page (path below docs/api) → its text. Errors: what is not documented, by name. */
export async function apiPages(): Promise<Map<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), 'packmill-api-'))
  try {
    const app = await Application.bootstrapWithPlugins({
      plugin: ['typedoc-plugin-markdown'],
      entryPoints: Object.values(MODULES).map((path) => join(root, path)),
      tsconfig: join(root, 'tsconfig.json'),
      // npm run typecheck finds those, in all files.
      skipErrorChecking: true,
      // What is typebox's is in its own manual, and would take minutes.
      excludeExternals: true,
      excludeInternal: true,
      excludePrivate: true,
      disableSources: true,
      readme: 'none',
      name: 'API',
      sort: ['source-order'],
      validation: { notDocumented: true, invalidLink: true, notExported: false },
      requiredToBeDocumented: ['Class', 'Interface', 'Function', 'Method', 'Property', 'Accessor', 'TypeAlias', 'Variable'],
      logLevel: LogLevel.Warn,
      out: folder,
      // Options of the plugin, which TypeDoc's types do not know.
      ...{
        outputFileStrategy: 'modules',
        entryFileName: 'README',
        hidePageHeader: true,
        hideBreadcrumbs: true,
        useCodeBlocks: true,
        parametersFormat: 'table',
        interfacePropertiesFormat: 'table',
        typeAliasPropertiesFormat: 'table',
      },
    })
    const { problems } = (app.logger = new Problems())
    const project = await app.convert()
    if (!project) throw new Error('TypeDoc understands nothing of it: npm run typecheck')
    for (const [at, name] of Object.keys(MODULES).entries()) project.children![at].name = name
    app.validate(project)
    await app.generateOutputs(project)
    if (problems.length > 0) throw new Error(`the API reference is not whole:\n${problems.join('\n')}`)
    const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.md'))
    return new Map(paths.sort().map((path) => [path.replaceAll('\\', '/'), page(readFileSync(join(folder, path), 'utf8'))]))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A parameter that is taken apart has no name of its own. */
const page = (text: string) => text.replaceAll('__namedParameters', 'options')

class Problems extends Logger {
  readonly problems: string[] = []

  override log(message: string, level: LogLevel): void {
    if (level >= LogLevel.Warn) this.problems.push(message)
  }
}

if (import.meta.main) {
  const pages = await apiPages()
  rmSync(join(root, apiFolder), { recursive: true, force: true })
  for (const [path, text] of pages) {
    await mkdir(dirname(join(root, apiFolder, path)), { recursive: true })
    await writeFile(join(root, apiFolder, path), text)
  }
  console.error(`${pages.size} pages in ${apiFolder}`)
}
