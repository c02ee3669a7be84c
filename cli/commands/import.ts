// packmill import: files of events in; when it returns, everything in them can be queried. Owns the run over the files, what is shown meanwhile
// and the summary; reading, the door and resuming are services/process's.
import { access, constants } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Ahead } from '../../services/process/decode-ahead.ts'
import type { ImportListener, ImportResult } from '../../services/process/importer.ts'
import type { LineOptions } from '../../services/process/line-decoder.ts'
import type { Local } from '../../services/process/local.ts'
import { type ByteSource, checkInput, openInput } from '../../services/process/open-input.ts'
import { type LineFormat, SKIPPABLE, type Skippable, WEB_ORG, WEB_PRODUCT } from '../../services/process/web-log.ts'
import { addDataOptions, addExamples, addJsonOption, type DataOptions, resolveConfig } from '../common-options.ts'
import { EXIT_FAILURE } from '../errors.ts'
import { summarise, type Totals, totalsOf } from '../import-summary.ts'
import { type Interrupt, interrupt } from '../interrupt.ts'
import { openFolder } from '../open-folder.ts'
import { formatCount } from '../print.ts'
import { type Progress, progress } from '../progress.ts'
import { RejectsFile } from '../rejects-file.ts'
import { isSameFile, SameFileError } from '../same-file.ts'
import { settle } from '../settle.ts'
import { takeStdin } from '../stdin.ts'
import { checkWebLogOptions, type Look } from '../web-log-options.ts'

interface ImportOptions extends DataOptions {
  org?: string
  format: 'auto' | LineFormat
  product?: string
  skip?: Skippable[]
  close?: boolean
  rejects?: string
  json?: boolean
}

export interface FileReport extends ImportResult {
  file: string
  /** Of `rejected`: told of in this run. */
  rejectedNow: number
  rejects: RejectsFile
}

export function importFiles(command: Command): void {
  command
    .argument('<file...>', 'JSON lines or web logs, gzipped or not; - for stdin; oldest first')
    .addOption(
      new Option('--format <format>', 'what the lines are; auto: told by the first ones')
        .choices(['auto', 'jsonl', 'combined'])
        .default('auto'),
    )
    .option('--org <id>', `the orgId of lines that have none (of a web log: ${WEB_ORG})`)
    .option('--product <id>', `the productId of a web log (default: ${WEB_PRODUCT})`)
    .option('--skip <what>', `leave requests out of a web log: ${SKIPPABLE.join(',')}`, skipped)
    .option('--close', 'end all sessions: no later file goes on with one')
    .option('--rejects <file>', 'where rejected lines go (default: FILE.rejects.jsonl here, if there are any)')
    .action(run)
  addExamples(addJsonOption(addDataOptions(command)), [
    ['packmill import events.jsonl.gz', 'sessions and incidents, queryable when it returns'],
    ['packmill import monday.jsonl tuesday.jsonl --close', 'oldest first; no session stays open'],
    ['zcat *.gz | packmill import - --org acme', 'from a pipe; lines without orgId are of acme'],
    ['packmill import access.log.gz --org acme --skip assets,bots', 'a web log; its pages as screens, without images and crawlers'],
    ['packmill import old.jsonl --set clickstream.correctionMs=24h', 'accept what is up to a day out of order'],
  ])
}

async function run(files: string[], options: ImportOptions, command: Command): Promise<void> {
  const { config } = await resolveConfig(options)
  // All of them before the first is read: a typing mistake in the last must not cost an hour.
  const found = await Promise.all(files.map((file) => checkInput(file)))
  if (options.rejects !== undefined) await access(dirname(options.rejects), constants.W_OK)
  refuseInputs(files, options)
  const look = await checkWebLogOptions(options, files, found, (message) => command.error(`error: ${message}`))
  const say = (line: string) => console.error(line)
  const stopping = interrupt((name) => say(`${name}: finishing what is under way (again: stop at once)`))
  const startMs = performance.now()
  const stdin = files.includes('-') ? takeStdin() : undefined
  const folder = await openFolder(config, { say, stopping })
  if (folder.owner) say(`through process ${folder.owner.pid} (${folder.owner.command}), which owns ${config.data}`)
  const lines: LineOptions = {
    org: options.org,
    format: options.format === 'auto' ? undefined : options.format,
    product: options.product,
    skip: options.skip,
  }
  // What comes through stdin or a pipe is read once, in its turn.
  const ahead = files.length > 1 && found.every((stats) => stats?.isFile()) ? folder.ahead?.(files, lines) : undefined
  const reports: FileReport[] = []
  let failure: unknown
  let totals: Totals | undefined
  try {
    const before = await folder.stats()
    for (const [index, file] of files.entries()) {
      const rejects = newRejects(file, files, options)
      const shown = progress({ label: `import ${file === '-' ? 'stdin' : file}`, unit: 'events' })
      failure = await readFile(
        folder,
        file,
        { lines, rejects, shown, stopping, stdin: file === '-' ? stdin : undefined, look, ahead: ahead && { files: ahead, index } },
        reports,
      )
      if (failure !== undefined) break
    }
    if (!stopping.signal.aborted) {
      await settle(folder, { snapshots: true, close: options.close ?? false, stopping })
      totals = await totalsOf(folder, before, await folder.stats())
    }
  } catch (error) {
    failure ??= error
  } finally {
    await ahead?.close().catch((error: unknown) => {
      failure ??= error
    })
    await folder.stop(stopping.signal.aborted ? 'at once' : undefined).catch((error: unknown) => {
      failure ??= error
    })
  }
  const summary = summarise(reports, totals, {
    seconds: (performance.now() - startMs) / 1000,
    correctionMs: config.clickstream.correctionMs,
  })
  if (options.json) console.log(JSON.stringify(summary.json, null, 2))
  else if (summary.text !== '') console.log(summary.text)
  for (const warning of summary.warnings) say(warning)
  if (summary.isFailure) process.exitCode = EXIT_FAILURE
  if (failure !== undefined) throw failure
}

const skipped = (text: string): Skippable[] =>
  text.split(',').map((name) => {
    const known = SKIPPABLE.find((what) => what === name.trim())
    if (!known) throw new InvalidArgumentError(`It must be some of ${SKIPPABLE.join(',')}.`)
    return known
  })

const rejectsOf = (file: string, { rejects }: ImportOptions) => rejects ?? `${file === '-' ? 'stdin' : basename(file)}.rejects.jsonl`

/** Rejects are written over what is there. */
function refuseInputs(files: readonly string[], options: ImportOptions): void {
  for (const path of new Set(files.map((file) => rejectsOf(file, options)))) {
    const input = files.find((file) => isSameFile(file, path))
    if (input === undefined) continue
    throw new SameFileError(
      `rejected lines would be written over an input: ${path} is ${input === '-' ? 'what stdin reads' : input}`,
      'Name another file: --rejects FILE.',
    )
  }
}

/** Rejects of several files in one file are told apart by a name. */
function newRejects(file: string, files: readonly string[], options: ImportOptions): RejectsFile {
  const path = rejectsOf(file, options)
  const isShared = files.some((other) => other !== file && rejectsOf(other, options) === path)
  return new RejectsFile(path, isShared ? file : undefined)
}

/** One file, into the log. Returns what it ended with, if not well; what was read before that is in the report. */
async function readFile(
  folder: Local,
  file: string,
  {
    lines: options,
    rejects,
    shown,
    stopping,
    stdin,
    look,
    ahead,
  }: {
    lines: LineOptions
    rejects: RejectsFile
    shown: Progress
    stopping: Interrupt
    stdin?: ByteSource
    look?: Look
    ahead?: { files: Ahead; index: number }
  },
  reports: FileReport[],
): Promise<unknown> {
  let input: Awaited<ReturnType<typeof openInput>> | undefined
  const seen = { lines: 0, accepted: 0, rejected: 0 }
  let before: typeof seen | undefined
  let failure: unknown
  let complete = false
  let web: ImportResult['web']
  try {
    const listener = (share: () => number | undefined): ImportListener => ({
      onReject: (line, bytes, reason) => rejects.add(line, bytes, reason),
      onProgress: ({ lines, accepted, rejected }) => {
        if (!before) rejects.resume(lines)
        before ??= { lines, accepted, rejected }
        Object.assign(seen, { lines, accepted, rejected })
        rejects.flush()
        shown.update(accepted + rejected - before.accepted - before.rejected, share())
      },
    })
    const fromAhead = ({ files, index }: { files: Ahead; index: number }) => {
      let share: number | undefined
      return files.import(index, { ...listener(() => share), onShare: (now) => (share = now), signal: stopping.signal })
    }
    const from = async (again: boolean) => {
      input = await openInput(file, stdin)
      const { size, read } = input
      const chunks = size === undefined && look ? look(input.chunks) : input.chunks
      return folder.import(stopping.stream(chunks), { ...options, again, ...listener(() => (size ? read() / size : undefined)) })
    }
    const result = await (ahead ? fromAhead(ahead) : from(false)).catch((error: Error & { code?: string }) => {
      // What came through a pipe cannot be read again.
      if (error.code !== 'INPUT_CHANGED' || !(input ?? ahead) || (input && input.size === undefined)) throw error
      input?.close()
      shown.note(
        `${file} begins like one that was imported, and is another: it is read from its start, and what was imported before counts once`,
      )
      return from(true)
    })
    Object.assign(seen, result)
    complete = result.complete
    web = result.web
  } catch (error) {
    failure = error
  } finally {
    input?.close()
    rejects.flush()
  }
  const { lines, accepted, rejected } = seen
  const known = before ?? { accepted: 0, rejected: 0 }
  const fresh = accepted + rejected - known.accepted - known.rejected
  shown.finish(fresh)
  if (known.accepted > 0)
    shown.note(
      fresh === 0
        ? `${file} had been imported before: nothing is added`
        : `${file} had been begun before: it went on behind its first ${formatCount(known.accepted)} events`,
    )
  else if (lines === 0 && failure === undefined) shown.note(`${file === '-' ? 'stdin' : file} is empty: there was nothing to import`)
  reports.push({ file, lines, accepted, rejected, before: known.accepted, complete, web, rejectedNow: rejects.count, rejects })
  return failure
}
