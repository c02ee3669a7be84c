// Carts that were filled and not paid for within half an hour.
//   packmill run cart-abandonment.ts --input data/carts.jsonl
import { operator, source, Type, topology } from 'packmill'

const HALF_AN_HOUR_MS = 30 * 60_000

const events = source('cart.events', {
  schema: Type.Object({
    user: Type.String(),
    kind: Type.Union([Type.Literal('add'), Type.Literal('checkout')]),
    item: Type.Optional(Type.String()),
    cents: Type.Optional(Type.Number()),
    at: Type.Number(),
  }),
  timeMs: (event) => event.at,
  // An event may come up to a minute behind a later one: the operator sees them in order all the same.
  allowedDisorderMs: 60_000,
})

interface CartEvent {
  kind: 'add' | 'checkout'
  item?: string
  cents?: number
}

/** Remembers a cart from its first item on; forgets it when it is paid for, or has been reported. */
export const abandonedCarts = operator({
  name: 'abandoned-carts',
  stateVersion: 1,
  state: () => ({ items: [] as string[], cents: 0, lastMs: 0 }),
  onRecord(cart, { kind, item, cents }: CartEvent, at) {
    if (kind === 'checkout') {
      at.forget()
      return
    }
    cart.items.push(item ?? '?')
    cart.cents += cents ?? 0
    cart.lastMs = at.timeMs
  },
  nextTimerMs: (cart) => cart.lastMs + HALF_AN_HOUR_MS,
  onTimer(cart, at) {
    at.forget()
    return { user: at.key, items: cart.items, cents: cart.cents, lastMs: cart.lastMs }
  },
})

export default topology(
  'cart-abandonment',
  events
    .keyBy((event) => event.user)
    .apply(abandonedCarts)
    .filter(({ cents }) => cents >= 1000)
    .to('carts.abandoned'),
)
