// Node, its packages and the machine. Loads the native packages to see that they load.
import { availableParallelism, totalmem } from 'node:os'
import { formatBytes } from '../print.ts'
import type { Finding } from './finding.ts'

const NODE_MAJOR_MIN = 22

export async function checkMachine(): Promise<Finding[]> {
  const cores = availableParallelism()
  return [
    nodeVersion(process.versions.node),
    await loads('chdb', 'the analytics engine'),
    {
      about: 'aerospike',
      state: 'well',
      found: 'not part of this version: state is kept in files, in the data folder',
    },
    {
      about: 'machine',
      state: 'well',
      found: `${cores} cores, ${formatBytes(totalmem())} memory`,
      figures: { cores, memoryBytes: totalmem() },
    },
  ]
}

export function nodeVersion(version: string): Finding {
  const isWell = Number(version.split('.')[0]) >= NODE_MAJOR_MIN
  return {
    about: 'node',
    state: isWell ? 'well' : 'wrong',
    found: version,
    ...(isWell ? {} : { advice: `Install Node ${NODE_MAJOR_MIN} or later, and run packmill with it.` }),
  }
}

export async function loads(name: string, what: string): Promise<Finding> {
  try {
    await import(name)
    return { about: name, state: 'well', found: `${what}, loads` }
  } catch (error) {
    return {
      about: name,
      state: 'wrong',
      found: `${what}, does not load: ${(error as Error).message.split('\n')[0]}`,
      advice: 'Install again, with install scripts allowed: npm ci (in a checkout), npm install packmill (elsewhere).',
    }
  }
}
