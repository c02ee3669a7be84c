// `npm run simulate -- [--seeds N] [--from M]`: many simulated runs; the first that fails ends it with exit code 1 and its rerun line.
import { parseArgs } from 'node:util'
import { type Faults, noFaults, simulate } from './simulate.ts'

const { values } = parseArgs({ options: { seeds: { type: 'string', default: '50' }, from: { type: 'string', default: '1' } } })
const [seeds, from] = [Number(values.seeds), Number(values.from)]
if (!Number.isInteger(seeds) || seeds < 1 || !Number.isInteger(from)) {
  console.error('simulate: --seeds takes a whole number from 1 on, --from a whole number')
  process.exit(2)
}

const met = noFaults()
for (let seed = from; seed < from + seeds; seed++) {
  try {
    const faults = await simulate(seed)
    for (const name of Object.keys(met) as (keyof Faults)[]) met[name] += faults[name]
  } catch (error) {
    console.error(error)
    process.exit(1)
  }
}
console.log(`${seeds} seeds from ${from} on: the answers are right.`)
for (const [name, count] of Object.entries(met)) console.log(`${String(count).padStart(8)}  ${name}`)
