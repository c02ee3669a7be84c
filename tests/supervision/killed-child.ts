// A process with an operator that the product does not have, and is killed before it takes a checkpoint: `node killed-child.ts DATA`.
import { version } from '../../cli/version.ts'
import { eventsOf, harmful, importEvents, openWith } from './supervised.ts'

const { embedded } = await openWith('mended', process.argv[2], { version: version() })
await importEvents(
  embedded,
  eventsOf(300).flatMap((event, n) => [event, harmful(event, '#throw', n)]),
)
await embedded.settle({ snapshots: false, close: false })
process.kill(process.pid, 'SIGKILL')
