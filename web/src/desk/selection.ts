// Which of the selected orders can take their next step.
import type { Budget, Order, OrderStatus } from '../api/types'
import { commit, excessOf } from '../budget/fit'
import { isBarred, nextStatus } from '../order/status'

export type Obstacle = 'hated' | 'budget'

/** Selected orders that have the same next step. */
export interface Group {
  to: OrderStatus
  /** In the order of the list. */
  ready: Order[]
  blocked: { order: Order; obstacle: Obstacle }[]
}

/** Closed orders have no next step. */
export function isSelectable(order: Order): boolean {
  return nextStatus(order) !== null
}

/** Groups orders by their next step, along the flow. Orders that are approved together have to fit together. */
export function groupByNextStep(orders: readonly Order[], budgets: readonly Budget[]): Group[] {
  const flow: readonly OrderStatus[] = ['approved', 'ordered', 'shipping', 'completed']
  return flow.flatMap((to) => {
    const candidates = orders.filter((order) => nextStatus(order) === to)
    if (candidates.length === 0) return []
    const group: Group = { to, ready: [], blocked: [] }
    let limits: readonly Budget[] = budgets
    for (const order of candidates) {
      if (isBarred(order)) group.blocked.push({ order, obstacle: 'hated' })
      else if (to === 'approved' && excessOf(order.amounts, limits).length > 0) {
        group.blocked.push({ order, obstacle: 'budget' })
      } else {
        group.ready.push(order)
        if (to === 'approved') limits = commit(limits, order.amounts)
      }
    }
    return group
  })
}
