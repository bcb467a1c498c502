// The status of an order. Each order names its own transitions (`allowed_transitions`).
import type { Problem } from '../api/problem'
import type { Order, OrderStatus, Purchase } from '../api/types'
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

/** True if the arrival time of an order can be corrected. */
export function expectsArrival(status: OrderStatus): boolean {
  return status === 'ordered' || status === 'shipping'
}

/** The next step of an order. Null for an order that is closed. */
export function nextStatus(order: Pick<Order, 'allowed_transitions'>): OrderStatus | null {
  return order.allowed_transitions.find((status) => status !== 'canceled') ?? null
}

/** True for a snack with more hates than likes. An order that has one can be neither approved nor ordered. */
export function isHated({ snack }: Pick<Purchase, 'snack'>): boolean {
  return snack.hate_reaction_count > snack.like_reaction_count
}

/** True if the next step of an order is barred because of a hated snack. */
export function isBarred(order: Pick<Order, 'allowed_transitions' | 'purchases'>): boolean {
  const next = nextStatus(order)
  return (next === 'approved' || next === 'ordered') && order.purchases.some(isHated)
}

/** The names of the snacks for which the server has rejected a transition. */
export function rejectedSnacks(order: Order, problem: Problem): string[] {
  return [...lineErrorsOf(problem).keys()].flatMap((position) => order.purchases[position]?.snack.name ?? [])
}
