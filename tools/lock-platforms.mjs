// Completes package-lock.json with the binary packages of other platforms (optionalDependencies such as @biomejs/cli-darwin-arm64).
// npm leaves out those that it could not see when it wrote the lock, and `npm ci` then refuses the lock on every platform.
// Run after a change of dependencies: node tools/lock-platforms.mjs [--check]. tests/house/install.test.ts runs the check.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const lockPath = join(dirname(dirname(fileURLToPath(import.meta.url))), 'package-lock.json')
const lock = JSON.parse(readFileSync(lockPath, 'utf8'))
const operatingSystems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32']
const processors = ['arm64', 'arm', 'x64', 'ia32', 'ppc64', 's390x', 'riscv64', 'wasm32']

/** What a platform package is called says what it runs on: …-linux-x64-musl. */
function platformEntry(name, version, parent) {
  const words = name.split('/').pop().split(/[-_]/)
  const os = words.find((word) => operatingSystems.includes(word))
  const cpu = words.find((word) => processors.includes(word))
  const libc = words.includes('musl') ? 'musl' : words.includes('gnu') && os === 'linux' ? 'glibc' : undefined
  if (os === undefined || cpu === undefined) throw new Error(`${name} does not say its platform: add it to package-lock.json by hand`)
  return {
    version,
    cpu: [cpu],
    ...(parent.dev ? { dev: true } : {}),
    ...(libc ? { libc: [libc] } : {}),
    optional: true,
    os: [os],
  }
}

const missing = []
for (const [path, parent] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    if (lock.packages[`node_modules/${name}`] || lock.packages[`${path}/node_modules/${name}`]) continue
    missing.push([name, version, parent])
  }
}
if (process.argv.includes('--check')) {
  for (const [name] of missing) console.error(`package-lock.json misses ${name}: run node tools/lock-platforms.mjs`)
  process.exit(missing.length > 0 ? 1 : 0)
}
for (const [name, version, parent] of missing) {
  lock.packages[`node_modules/${name}`] = platformEntry(name, version, parent)
  console.log(`added ${name}@${version}`)
}
const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1))
lock.packages = Object.fromEntries(sorted)
writeFileSync(lockPath, `${JSON.stringify(lock, null, 2)}\n`)
