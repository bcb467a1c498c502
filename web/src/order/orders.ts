import { queryOptions } from '@tanstack/vue-query'

import { api, dataOf, responseOf } from '../api/client'
import { Problem } from '../api/problem'
import { patchRow, queryClient } from '../api/query'
import type { Order, OrderRequest, OrderStatus } from '../api/types'
import { BUDGETS } from '../budget/keys'
import { t } from '../i18n'
import { invalidateSnacks } from '../snack/snacks'
import { STATISTICS } from '../statistics/keys'

export const ORDERS = ['orders']
export const BUYING_LIST = ['buying-list']
export const ORDER = ['order']
export const orderKey = (uid: string) => [...ORDER, uid]
const historyKey = (uid: string) => [...orderKey(uid), 'history']

/** The filters of a list that an order can be checked against. */
export interface OrderFilters {
  status?: OrderStatus[]
}

/** An order and its entity tag. */
export interface TaggedOrder {
  order: Order
  etag: string | null
}

export async function fetchOrder(uid: string): Promise<TaggedOrder> {
  const { data, response } = await responseOf(api.GET('/orders/{uid}', { params: { path: { uid } } }))
  return { order: data, etag: response.headers.get('ETag') }
}

export function historyQuery(uid: string) {
  return queryOptions({
    queryKey: historyKey(uid),
    queryFn: () => dataOf(api.GET('/orders/{uid}/history', { params: { path: { uid } } })),
  })
}

/** The version of an order, which is also its entity tag. */
export function versionOf({ etag }: TaggedOrder): number {
  return Number(/\d+/.exec(etag ?? '')?.[0] ?? 0)
}

/** The newer one of two copies of an order. */
export function newerOrder(shown: Order, read: Order): Order {
  return read.updated_at < shown.updated_at ? shown : read
}

/** Updates an order where it is shown, without a change of the lists. */
export function updateOrder(tagged: TaggedOrder): void {
  const { order } = tagged
  queryClient.setQueryData<TaggedOrder>(orderKey(order.uid), (shown) =>
    shown && versionOf(shown) > versionOf(tagged) ? shown : tagged,
  )
  patchRow<Order>(ORDERS, order.uid, (shown) => newerOrder(shown, order))
  void queryClient.invalidateQueries({ queryKey: historyKey(order.uid) })
}

/** Updates an order in every view that shows it. */
export function showOrder(tagged: TaggedOrder): void {
  patchOrder(tagged)
  invalidateLists()
}

function patchOrder(tagged: TaggedOrder): void {
  const { order } = tagged
  queryClient.setQueryData(orderKey(order.uid), tagged)
  patchRow<Order, OrderFilters>(
    ORDERS,
    order.uid,
    () => order,
    (shown, { status }) => !status || status.includes(shown.status),
  )
  void queryClient.invalidateQueries({ queryKey: historyKey(order.uid) })
}

/**
 * The order may now belong to other lists or have another position in them, its amounts count in budgets, and its snacks may be
 * free or no longer so.
 */
function invalidateLists(): void {
  for (const queryKey of [ORDERS, BUYING_LIST, BUDGETS, STATISTICS]) void queryClient.invalidateQueries({ queryKey })
  invalidateSnacks()
}

/** The optional parts of a change of the status. */
export interface StatusChange {
  arrival?: string | null
  reason?: string
  /** Approves an order that exceeds the budget. */
  isOverBudget?: boolean
}

/** An order as it was shown. Without `updated_at` its fields were not. */
export type SeenOrder = Pick<Order, 'uid'> & Partial<Pick<Order, 'updated_at'>>

/** Changes the status of an order, unless the order has changed since it was shown (`seen`). */
export async function changeStatus(seen: SeenOrder, to: OrderStatus, change: StatusChange = {}): Promise<Order> {
  const tagged = await sendStatus(seen, to, change)
  showOrder(tagged)
  return tagged.order
}

/** Changes the status of several orders, one after another. The lists are loaded again once, after the last one. */
export async function changeStatuses<Seen extends SeenOrder>(
  orders: readonly Seen[],
  to: OrderStatus,
  changeOf: (seen: Seen) => StatusChange,
  report: (seen: Seen, result: { order?: Order; error?: unknown }) => void,
): Promise<void> {
  for (const seen of orders) {
    try {
      const tagged = await sendStatus(seen, to, changeOf(seen))
      patchOrder(tagged)
      report(seen, { order: tagged.order })
    } catch (error) {
      const present = await fetchOrder(seen.uid).catch(() => null)
      if (present) patchOrder(present)
      report(seen, { order: present?.order, error })
    }
  }
  invalidateLists()
}

async function sendStatus(seen: SeenOrder, to: OrderStatus, change: StatusChange): Promise<TaggedOrder> {
  const etag = await freshTag(seen)
  const { data, response } = await responseOf(
    api.PATCH('/orders/{uid}/status', {
      params: { path: { uid: seen.uid }, header: ifMatch(etag) },
      body: {
        status: to,
        estimated_arrival_time: change.arrival,
        reason: change.reason || undefined,
        over_budget: change.isOverBudget || undefined,
      },
    }),
  )
  return { order: data, etag: response.headers.get('ETag') }
}

/** Corrects the arrival time of an order, unless the order has changed since it was shown (`seen`). */
export async function correctArrival(seen: SeenOrder, arrival: string, reason: string): Promise<Order> {
  const etag = await freshTag(seen)
  const { data, response } = await responseOf(
    api.PUT('/orders/{uid}/arrival', {
      params: { path: { uid: seen.uid }, header: ifMatch(etag) },
      body: { estimated_arrival_time: arrival, reason: reason || undefined },
    }),
  )
  showOrder({ order: data, etag: response.headers.get('ETag') })
  return data
}

/** The present entity tag. Orders in lists have none, so the order is fetched and compared with what was shown. */
async function freshTag(seen: SeenOrder): Promise<string | null> {
  const { order, etag } = await fetchOrder(seen.uid)
  if (seen.updated_at && order.updated_at !== seen.updated_at) {
    throw new Problem(412, 'precondition_failed', t('order.changed'))
  }
  return etag
}

/** The name of the form that edits an order. Another version of the order is another form. */
export function editForm({ order, etag }: TaggedOrder): string {
  return `order:${order.uid}:${etag}`
}

/** Replaces the lines of an order and its note, unless the order has changed since `etag`. */
export async function editOrder(
  uid: string,
  etag: string | null,
  body: { snacks: { uid: string; quantity: number }[]; note?: string },
): Promise<Order> {
  const { data, response } = await responseOf(
    api.PUT('/orders/{uid}', { params: { path: { uid }, header: ifMatch(etag) }, body }),
  )
  showOrder({ order: data, etag: response.headers.get('ETag') })
  return data
}

/** Fetches an order again and updates every view that shows it. */
export async function refreshOrder(uid: string): Promise<TaggedOrder> {
  const tagged = await fetchOrder(uid)
  showOrder(tagged)
  return tagged
}

export async function createOrder(body: OrderRequest, key: string): Promise<Order> {
  const order = await dataOf(api.POST('/orders', { params: { header: { 'Idempotency-Key': key } }, body }))
  invalidateLists()
  return order
}

function ifMatch(etag: string | null): { 'If-Match'?: string } {
  return etag ? { 'If-Match': etag } : {}
}
