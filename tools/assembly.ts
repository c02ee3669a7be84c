// Compiles model/assembly (AssemblyScript) into model/scanner-module.ts: the WebAssembly that the scanner runs, as text, so that neither a checkout
// nor the package has a step of its own to make it. Run it after a change there; a test of the house says when that was forgotten.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(import.meta.dirname, '..')
const folder = 'model/assembly'
export const modulePath = 'model/scanner-module.ts'
const LINE_CHARS = 120

/** The text of model/scanner-module.ts. Throws with the compiler's messages. */
export async function scannerModule(): Promise<string> {
  const asc = await import('assemblyscript/asc')
  let module: Uint8Array | undefined
  const writeFile = (name: string, contents: Uint8Array | string) => {
    if (name === 'scan.wasm') module = contents as Uint8Array
  }
  const { error, stderr } = await asc.main(
    ['scan.ts', '--config', 'asconfig.json', '--baseDir', join(root, folder), '--outFile', 'scan.wasm'],
    {
      writeFile,
    },
  )
  if (error || module === undefined) throw new Error(`model/assembly does not compile: ${error?.message}\n${stderr.toString()}`)
  const text = Buffer.from(module).toString('base64')
  const lines = text.match(new RegExp(`.{1,${LINE_CHARS}}`, 'g'))!
  return `// Made by \`npm run assembly\` from model/assembly: do not edit. The scanner's WebAssembly module in base64.

export const scannerModule = [
${lines.map((line) => `  '${line}',\n`).join('')}].join('')
`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = await scannerModule()
  writeFileSync(join(root, modulePath), text)
  console.log(`${modulePath}: ${text.length.toLocaleString('en-GB')} bytes`)
}
