// Orders and their payments: two sources, merged by the order's id. What is paid comes out at once, what is not after a day,
// and so does a payment whose order never came.
//   packmill run join.ts --input orders=data/orders.jsonl --input payments=data/payments.jsonl
import { merge, operator, source, Type, topology } from 'packmill'

const DAY_MS = 86_400_000

const orders = source('orders', {
  schema: Type.Object({ orderId: Type.String(), user: Type.String(), cents: Type.Number(), at: Type.Number() }),
  timeMs: (order) => order.at,
}).keyBy((order) => order.orderId)

const payments = source('payments', {
  schema: Type.Object({ paymentId: Type.String(), orderId: Type.String(), cents: Type.Number(), paidAt: Type.Number() }),
  timeMs: (payment) => payment.paidAt,
}).keyBy((payment) => payment.orderId)

// Both through one topic, in order of event time: an operator that reads two inputs would depend on which of them is quicker.
const both = merge(
  'orders-and-payments',
  orders.map(({ user, cents }) => ({ kind: 'order' as const, user, cents })),
  payments.map(({ cents }) => ({ kind: 'payment' as const, cents })),
)

type Both = { kind: 'order'; user: string; cents: number } | { kind: 'payment'; cents: number }

/** Remembers an order until it is paid, and whatever came alone, for a day after the first record of either kind. */
const settled = operator({
  name: 'settled',
  state: () => ({ user: '', owed: 0, paid: 0, sinceMs: Number.POSITIVE_INFINITY }),
  onRecord(state, record: Both, at) {
    state.sinceMs = Math.min(state.sinceMs, at.timeMs)
    if (record.kind === 'payment') state.paid += record.cents
    else {
      state.user = record.user
      state.owed = record.cents
    }
    if (state.owed === 0 || state.paid < state.owed) return
    at.forget()
    return { orderId: at.key, user: state.user, status: 'paid' as const, afterMs: at.timeMs - state.sinceMs }
  },
  nextTimerMs: ({ sinceMs }) => sinceMs + DAY_MS,
  onTimer({ user, sinceMs }, at) {
    // Without this a payment whose order never comes would be remembered for ever.
    at.forget()
    return { orderId: at.key, user, status: user === '' ? ('no order' as const) : ('unpaid' as const), afterMs: at.timeMs - sinceMs }
  },
})

export default topology('join', both.apply(settled).to('orders.settled'))
