// What a soak sees every ten seconds: of the data folder, of the process by /proc, of what it answers. Owns the counters that a difference is taken of.
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { cpuSecondsOf } from '../../../bench/harness/cpu-of.ts'
import { preciseNow } from '../../../bench/harness/live.ts'
import { anonymousBytes } from '../../../bench/harness/memory-of.ts'
import { percentile } from '../../../bench/harness/percentile.ts'
import { folderBytes } from './folder-bytes.ts'
import { PATTERN_USER } from './soak-traffic.ts'
import type { SoakedProcess } from './soaked-process.ts'

/** What was seen in ten seconds, and at their end. */
export interface Sample {
  /** Seconds since the load began. */
  atS: number
  logBytes: number
  stateBytes: number
  /** Of the analytics store's folder. */
  tableBytes: number
  /** By table: bytes of its parts in use. */
  tables: Record<string, number>
  anonymousBytes: number
  residentBytes: number
  /** Of these the analytics engine's, as it counts. */
  engineBytes: number
  /** From when a pattern was complete to when its incident was read; how many. */
  incidents: number
  medianMs: number
  p99Ms: number
  worstMs: number
  /** How old the youngest incident of a pattern in the table is. */
  rowMs: number
  sessionsOpen: number
  usersCached: number
  checkpoints: number
  /** Cores: of the process, of the load and who looks, and of all on the machine, others' too. */
  cpu: number
  ownCpu: number
  machineCpu: number
  /** That the machine has. */
  cores: number
  /** Sent since the beginning, and the longest that one waited for being sent. */
  events: number
  lateMs: number
}

const ROW_AT = `SELECT toUnixTimestamp64Milli(max(last_at)) AS at FROM fact_incidents WHERE org_id LIKE '${PATTERN_USER}%'`
const OPEN = 'SELECT countIf(closed = 0) AS open FROM sessions'
const PARTS =
  'SELECT table, sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table ORDER BY table'
const ENGINE = `SELECT value FROM system.metrics WHERE metric = 'MemoryTracking'`

export class Sampler {
  private readonly soaked: SoakedProcess
  private readonly fromMs: number
  private upCpu: number
  private ownCpu: NodeJS.CpuUsage
  private machineCpu: number
  private lastMs: number

  constructor(soaked: SoakedProcess, fromMs: number) {
    this.soaked = soaked
    this.fromMs = fromMs
    this.upCpu = cpuSecondsOf(soaked.pid)
    this.ownCpu = process.cpuUsage()
    this.machineCpu = machineSeconds()
    this.lastMs = preciseNow()
  }

  /** `latencies`: of what was read since the sample before. */
  async take(latencies: readonly number[], load: Pick<Sample, 'events' | 'lateMs'>): Promise<Sample> {
    const { client, data, pid } = this.soaked
    const nowMs = preciseNow()
    const used = this.used(nowMs)
    const { tasks } = await client.stats()
    const sum = (of: (task: (typeof tasks)[number]) => number) => tasks.reduce((total, task) => total + of(task), 0)
    const [row] = await client.query<{ at: number }>(ROW_AT)
    const rowMs = preciseNow() - Number(row.at)
    const [{ open }] = await client.query<{ open: number }>(OPEN)
    const parts = await client.query<{ table: string; bytes: number }>(PARTS)
    const [memory] = await client.query<{ value: number }>(ENGINE)
    return {
      atS: Math.round((nowMs - this.fromMs) / 1000),
      logBytes: folderBytes(join(data, 'log')),
      stateBytes: folderBytes(join(data, 'state')),
      tableBytes: folderBytes(join(data, 'analytics')),
      tables: Object.fromEntries(parts.map(({ table, bytes }) => [table, Number(bytes)])),
      anonymousBytes: anonymousBytes(pid),
      residentBytes: residentBytes(pid),
      engineBytes: Number(memory.value),
      incidents: latencies.length,
      medianMs: percentile(latencies, 0.5),
      p99Ms: percentile(latencies, 0.99),
      worstMs: Math.max(0, ...latencies),
      rowMs,
      sessionsOpen: Number(open),
      usersCached: sum(({ users }) => users),
      checkpoints: sum(({ checkpoints }) => checkpoints),
      ...used,
      cores: availableParallelism(),
      ...load,
    }
  }

  private used(nowMs: number): Pick<Sample, 'cpu' | 'ownCpu' | 'machineCpu'> {
    const seconds = (nowMs - this.lastMs) / 1000
    const { user, system } = process.cpuUsage(this.ownCpu)
    const [upCpu, machineCpu] = [cpuSecondsOf(this.soaked.pid), machineSeconds()]
    const used = {
      cpu: (upCpu - this.upCpu) / seconds,
      ownCpu: (user + system) / 1e6 / seconds,
      machineCpu: (machineCpu - this.machineCpu) / seconds,
    }
    Object.assign(this, { upCpu, machineCpu, ownCpu: process.cpuUsage(), lastMs: nowMs })
    return used
  }
}

/** Of all cores, since the machine began. */
const machineSeconds = () => cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0) / 1000
const residentBytes = (pid: number) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`

/** For who waits. */
export function sampleLine(sample: Sample): string {
  const { atS, logBytes, stateBytes, tableBytes, medianMs, p99Ms, worstMs, cpu, ownCpu, machineCpu, events } = sample
  const at = `${String(Math.floor(atS / 60)).padStart(3)}:${String(atS % 60).padStart(2, '0')}`
  const folder = `folder ${mb(logBytes + stateBytes + tableBytes)} (log ${mb(logBytes)}, state ${mb(stateBytes)}, tables ${mb(tableBytes)})`
  const latency = `incidents p50 ${medianMs.toFixed(0)} p99 ${p99Ms.toFixed(0)} worst ${worstMs.toFixed(0)} ms, row ${sample.rowMs.toFixed(0)} ms`
  const memory = `RssAnon ${mb(sample.anonymousBytes)}`
  return `${at}  ${folder}; ${memory}; ${latency}; ${cpu.toFixed(2)} + ${ownCpu.toFixed(2)} of ${machineCpu.toFixed(2)} cores; ${events} events, at most ${sample.lateMs.toFixed(0)} ms late`
}
