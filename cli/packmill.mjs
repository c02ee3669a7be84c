#!/usr/bin/env node
// The `packmill` command. In a checkout it runs the sources under the project's own Node, installing what is missing first; in an
// installed package the compiled program, under the Node that is there. Plain JavaScript, because any Node may start it.
import { existsSync } from 'node:fs'
import module from 'node:module'
import { fileURLToPath } from 'node:url'

// What was compiled (and stripped of its types) once is not compiled again: half of the time of a short command.
module.enableCompileCache?.()

const sources = new URL('./main.ts', import.meta.url)
const major = Number(process.versions.node.split('.')[0])

if (existsSync(sources)) {
  const { install, runNode } = await import('../tools/bootstrap.mjs')
  await install()
  if (major >= 24) await import(sources.href)
  else process.exitCode = await runNode([fileURLToPath(sources), ...process.argv.slice(2)])
} else if (major >= 22) {
  await import('../dist/cli/main.js')
} else {
  console.error(
    `NODE_TOO_OLD: packmill needs Node 22 or later, and this is ${process.version}\n  Install a newer Node, and run packmill with it.`,
  )
  process.exitCode = 1
}
