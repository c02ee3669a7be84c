// What TypeScript says of a folder with a tsconfig.json, without a process of its own: one program for whoever wants more of it, and of chosen files alone.
import { join } from 'node:path'
import ts from 'typescript'

/** As `tsc -p` in the folder; with files that are nowhere but here. */
export function typeProgram(folder: string, planted: Readonly<Record<string, string>> = {}): ts.Program {
  const fail = (found: ts.Diagnostic) => {
    throw new Error(asText(found))
  }
  const { options, fileNames } = ts.getParsedCommandLineOfConfigFile(
    join(folder, 'tsconfig.json'),
    {},
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: fail },
  )!
  const host = ts.createCompilerHost(options, true)
  const { readFile, fileExists } = host
  host.readFile = (path) => planted[path] ?? readFile(path)
  host.fileExists = (path) => path in planted || fileExists(path)
  return ts.createProgram({ rootNames: [...fileNames, ...Object.keys(planted)], options, host })
}

/** What is wrong with these files of it, and with its options, as lines of text. */
export async function typeErrors(program: ts.Program, files: readonly ts.SourceFile[]): Promise<string[]> {
  const found = new Set<string>()
  for (const file of files) {
    for (const diagnostic of ts.getPreEmitDiagnostics(program, file)) found.add(asText(diagnostic))
    // It is all computing: whoever watches a test hears of it meanwhile.
    await new Promise(setImmediate)
  }
  return [...found]
}

function asText({ file, start = 0, messageText }: ts.Diagnostic): string {
  const at = file ? `${file.fileName}:${file.getLineAndCharacterOfPosition(start).line + 1}: ` : ''
  return at + ts.flattenDiagnosticMessageText(messageText, '\n')
}
