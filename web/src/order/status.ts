// The status of an order. Each order names its own transitions (`allowed_transitions`).
import type { Problem } from '../api/problem'
import type { Order, OrderStatus } from '../api/types'
import { lineErrorsOf } from './useLineErrors'

export const ORDER_STATUSES: readonly OrderStatus[] = [
  'created',
  'approved',
  'ordered',
  'shipping',
  'completed',
  'canceled',
]

export function needsArrivalTime(status: OrderStatus): boolean {
  return status === 'ordered' || status === 'shipping'
}

/** The names of the snacks for which the server has rejected a transition. */
export function rejectedSnacks(order: Order, problem: Problem): string[] {
  return [...lineErrorsOf(problem).keys()].flatMap((position) => order.purchases[position]?.snack.name ?? [])
}
