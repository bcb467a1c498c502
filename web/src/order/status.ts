// The flow of an order as the app has to know it. Which transitions there are, each order says itself (`allowed_transitions`).
import { lineMessages, type Problem } from '../api/problem'
import type { Order, OrderStatus } from '../api/types'

export const ORDER_STATUSES: readonly OrderStatus[] = [
  'created',
  'approved',
  'ordered',
  'shipping',
  'completed',
  'canceled',
]

/** An order goes there only with an estimated arrival time. */
export function needsArrivalTime(status: OrderStatus): boolean {
  return status === 'ordered' || status === 'shipping'
}

/** The names of the snacks that a refused transition blames, by their place in the order. */
export function blamedSnacks(order: Order, problem: Problem): string[] {
  return [...lineMessages(problem).keys()].flatMap((position) => order.purchases[position]?.snack.name ?? [])
}
