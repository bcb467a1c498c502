import { queryOptions } from '@tanstack/vue-query'

import { api, dataOf, responseOf } from '../api/client'
import { Problem } from '../api/problem'
import { patchRow, queryClient } from '../api/query'
import type { Order, OrderRequest, OrderStatus } from '../api/types'
import { t } from '../i18n'
import { invalidateSnacks } from '../snack/snacks'
import { STATISTICS } from '../statistics/keys'

export const ORDERS = ['orders']
export const orderKey = (uid: string) => ['order', uid]
const historyKey = (uid: string) => ['order', uid, 'history']

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

/** Updates an order in every view that shows it. */
export function showOrder(tagged: TaggedOrder): void {
  const { order } = tagged
  queryClient.setQueryData(orderKey(order.uid), tagged)
  patchRow<Order, OrderFilters>(
    ORDERS,
    order.uid,
    () => order,
    (shown, { status }) => !status || status.includes(shown.status),
  )
  void queryClient.invalidateQueries({ queryKey: historyKey(order.uid) })
  invalidateLists()
}

/** The order may now belong to other lists or have another position in them, and its snacks may be free or no longer so. */
function invalidateLists(): void {
  void queryClient.invalidateQueries({ queryKey: ORDERS })
  void queryClient.invalidateQueries({ queryKey: STATISTICS })
  invalidateSnacks()
}

/** Changes the status of an order, unless the order has changed since it was shown (`seen`). */
export async function changeStatus(seen: Order, to: OrderStatus, arrival: string | null): Promise<Order> {
  // Orders in lists have no entity tag, so the order is fetched first.
  const fresh = await fetchOrder(seen.uid)
  if (fresh.order.updated_at !== seen.updated_at) {
    throw new Problem(412, 'precondition_failed', t('order.changed'))
  }
  const { data, response } = await responseOf(
    api.PUT('/orders/{uid}/status', {
      params: { path: { uid: seen.uid }, header: ifMatch(fresh.etag) },
      body: { status: to, estimated_arrival_time: arrival },
    }),
  )
  showOrder({ order: data, etag: response.headers.get('ETag') })
  return data
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

/** Cancels an order of the user's own, unless it has changed since it was shown (`seen`). */
export async function withdrawOrder(seen: Order, reason: string): Promise<void> {
  const { order, etag } = await fetchOrder(seen.uid)
  if (order.updated_at !== seen.updated_at) throw new Problem(412, 'precondition_failed', t('order.changed'))
  const { data, response } = await responseOf(
    api.PATCH('/orders/{uid}/status', {
      params: { path: { uid: seen.uid }, header: ifMatch(etag) },
      body: { status: 'canceled', reason: reason || undefined },
    }),
  )
  showOrder({ order: data, etag: response.headers.get('ETag') })
}

function ifMatch(etag: string | null): { 'If-Match'?: string } {
  return etag ? { 'If-Match': etag } : {}
}
