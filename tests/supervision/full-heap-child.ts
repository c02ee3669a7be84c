// A process whose lane fills its heap at a record: `node full-heap-child.ts DATA`. V8 ends the lane's thread for it or, where it finds no room for that, the process.
// Which of the two is not ours to choose. One that lives prints what it holds in the end.
import { deadLetters, differences, eventsOf, harmful, importEvents, openWith } from './supervised.ts'

// A full heap takes its time: nothing else may end the thread first.
const supervised = await openWith('planted', process.argv[2], { laneHeapMb: 256, set: ['engine.stallMs=10m'] })
const { embedded, notices } = supervised
const events = eventsOf(1200)
events.splice(800, 0, harmful(events[800], '#memory', 0))
const { ends } = await embedded.stats()
const imported = ends['events.raw'].reduce((sum, end) => sum + end, 0)
if (imported === 0) await importEvents(embedded, events)
else if (imported !== events.length) throw new Error(`${imported} of ${events.length} events were imported`)
await embedded.settle({ snapshots: true, close: false })
const answer = {
  dead: (await deadLetters(embedded)).map(({ code, eventId }) => [code, eventId]),
  differences: await differences(supervised),
  notices: notices.map(({ type }) => type),
  died: notices.flatMap((notice) => (notice.type === 'lane-restarted' ? [notice.error.message] : [])),
}
await embedded.stop()
process.stdout.write(JSON.stringify(answer))
