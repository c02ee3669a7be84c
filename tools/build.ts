// Makes dist/: the product's folders as JavaScript with types, and beside it what is neither (migrations and other files that code reads).
// Never anything of tests, benches or tools.
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.build.json'), 'utf8')) as { include: string[] }

rmSync(dist, { recursive: true, force: true })
// Types are checked by `npm run typecheck` and by the tests: emitting alone takes half as long, and gives the same.
const compiled = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--noCheck'], {
  cwd: root,
  stdio: 'inherit',
})
if (compiled.status !== 0) process.exit(1)

// TypeScript rewrites `./x.ts` to `./x.js` in what runs, but not in the types.
for (const path of globSync('**/*.d.ts', { cwd: dist })) {
  const text = readFileSync(join(dist, path), 'utf8')
  writeFileSync(join(dist, path), text.replace(/(\bfrom |\bimport\()('|")(\.{1,2}\/[^'"]*)\.ts\2/g, '$1$2$3.js$2'))
}

for (const folder of include) {
  for (const path of globSync(`${folder}/**/*.{sql,json,yaml}`, { cwd: root })) cpSync(join(root, path), join(dist, path))
}
// What `packmill --help` prints (cli/packmill.mjs), so that nothing needs to be loaded for it.
const help = spawnSync(process.execPath, [join(dist, 'cli', 'main.js'), '--help'], { encoding: 'utf8' })
if (help.status !== 0) {
  console.error(help.stderr)
  process.exit(1)
}
writeFileSync(join(dist, 'cli', 'help.txt'), help.stdout)
console.log(`built dist/ from ${include.join(', ')}`)
