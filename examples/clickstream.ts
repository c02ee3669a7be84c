// Product events: sessions per user, and screens per ten minutes, out of one source.
//   packmill traffic --events 10000 --out events.jsonl && packmill run clickstream.ts --input events.jsonl
// (`packmill import` has the whole product on these events: corrections, incidents, tables to query. This is the same in twenty lines, to change.)
import { session, source, Type, topology, tumbling } from 'packmill'

const MINUTE_MS = 60_000

const events = source('product.events', {
  schema: Type.Object({
    orgId: Type.String(),
    productId: Type.String(),
    userId: Type.Optional(Type.String()),
    anonymousId: Type.Optional(Type.String()),
    type: Type.String(),
    screen: Type.Optional(Type.String()),
    ts: Type.Number(),
  }),
  timeMs: (event) => event.ts,
  allowedDisorderMs: MINUTE_MS,
})

const sessions = events
  .keyBy((event) => `${event.orgId}/${event.productId}/${event.userId ?? event.anonymousId ?? ''}`)
  .window(session({ gapMs: 30 * MINUTE_MS }), {
    name: 'sessions',
    init: () => ({ events: 0, clicks: 0, screens: new Set<string>() }),
    add(sum, event) {
      sum.events++
      if (event.type === 'click') sum.clicks++
      if (event.screen) sum.screens.add(event.screen)
      return sum
    },
    result: ({ events, clicks, screens }, { key, fromMs, toMs }) => ({
      user: key,
      fromMs,
      lastMs: toMs - 30 * MINUTE_MS,
      events,
      clicks,
      screens: screens.size,
    }),
  })

const screens = events
  .filter((event) => event.type === 'screen_view' && event.screen !== undefined)
  .rekey((event) => `${event.orgId} ${event.screen}`)
  .window(tumbling({ sizeMs: 10 * MINUTE_MS }), {
    name: 'views',
    init: () => 0,
    add: (views) => views + 1,
    result: (views, { key, fromMs }) => ({ screen: key, fromMs, views }),
  })

export default topology('my-clickstream', sessions.to('sessions'), screens.to('screens'))
