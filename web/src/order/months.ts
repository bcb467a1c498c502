import type { Order } from '../api/types'
import { today } from '../time'

export interface Month {
  /** `2026-11` in the office's time zone. Empty if the orders are not sorted by date. */
  label: string
  orders: Order[]
}

/** Orders that are sorted by date, by the month of their creation. */
export function byMonth(orders: readonly Order[], zone?: string): Month[] {
  const months: Month[] = []
  for (const order of orders) {
    const label = today(new Date(order.created_at), zone).slice(0, 7)
    const last = months.at(-1)
    if (last?.label === label) last.orders.push(order)
    else months.push({ label, orders: [order] })
  }
  return months
}
