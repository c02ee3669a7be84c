#!/usr/bin/env node
// The `packmill` command. In a checkout it runs the sources under the project's own Node, installing what is missing first; in an
// installed package the compiled program, under the Node that is there. Plain JavaScript, because any Node may start it.
import { existsSync, fstatSync, readFileSync, writeSync } from 'node:fs'
import module from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const sources = new URL('./main.ts', import.meta.url)
const helpText = new URL('../dist/cli/help.txt', import.meta.url)
const [major, minor] = process.versions.node.split('.').map(Number)
/** As `engines` says: zstd of node:zlib. */
const isNewEnough = major > 22 || (major === 22 && minor >= 15)

/** The help of packmill itself, at 80 columns, is made when the package is: loading a parser to print it takes four times as long. */
function isPlainHelp([first, ...others]) {
  if (others.length > 0 || !(first === undefined || first === '--help' || first === '-h' || first === 'help')) return false
  const isTerminal = fstatSync(1).isCharacterDevice()
  return !isTerminal || (process.stdout.columns ?? 80) >= 80
}

const hasSources = existsSync(sources)
const isInstalledHelp = !hasSources && isPlainHelp(process.argv.slice(2)) && existsSync(helpText)

// What was compiled (and stripped of its types) once is not compiled again: half of the time of a short command.
const cache = isInstalledHelp ? undefined : module.enableCompileCache?.()
// Nor by the threads, which look for the cache in their environment: a fifth of the time in which they are ready.
if (cache?.directory) process.env.NODE_COMPILE_CACHE ??= dirname(cache.directory)

if (isInstalledHelp) writeSync(1, readFileSync(helpText))
else if (hasSources) {
  const { install, runNode } = await import('../tools/bootstrap.mjs')
  await install()
  if (major >= 24) await import(sources.href)
  else process.exitCode = await runNode([fileURLToPath(sources), ...process.argv.slice(2)])
} else if (isNewEnough) {
  await import('../dist/cli/main.js')
} else {
  console.error(
    `NODE_TOO_OLD: packmill needs Node 22.15 or later, and this is ${process.version}\n  Install a newer Node, and run packmill with it.`,
  )
  process.exitCode = 1
}
