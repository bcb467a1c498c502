import type { Order } from '../api/types'

/** The rows of a list and the orders that are kept in it, oldest first. Of two copies of an order, the newer one is shown. */
export function mergeKept(rows: readonly Order[], kept: ReadonlyMap<string, Order>, known: readonly Order[]): Order[] {
  const merged = new Map(rows.map((order) => [order.uid, order]))
  for (const order of kept.values()) {
    const copies = [order, ...known.filter(({ uid }) => uid === order.uid)]
    merged.set(
      order.uid,
      copies.reduce((newest, copy) => (copy.updated_at > newest.updated_at ? copy : newest)),
    )
  }
  return [...merged.values()].sort(
    (a, b) => a.created_at.localeCompare(b.created_at) || (a.uid < b.uid ? -1 : Number(a.uid > b.uid)),
  )
}
