// The calls about orders.
import { answerOf, api, dataOf } from '../api/client'
import { Problem } from '../api/problem'
import { patchRow, queryClient } from '../api/query'
import type { Order, OrderStatus } from '../api/types'
import { t } from '../i18n'
import { STATISTICS } from '../statistics/keys'

export const ORDERS = ['orders']
export const orderKey = (uid: string) => ['order', uid]
export const historyKey = (uid: string) => ['order', uid, 'history']

/** What a list of orders is filtered by, as far as an order itself tells whether it fits. */
export interface OrderFilters {
  status?: OrderStatus[]
}

/** An order with the entity tag that tells whether it is still the same. */
export interface TaggedOrder {
  order: Order
  etag: string | null
}

export async function fetchOrder(uid: string): Promise<TaggedOrder> {
  const { data, response } = await answerOf(api.GET('/orders/{uid}', { params: { path: { uid } } }))
  return { order: data, etag: response.headers.get('ETag') }
}

/** Shows an order as it now is wherever it is shown. */
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
  forgetLists()
}

/** Lists that are shown are loaded again, since the order may have come into one or have another place in it. */
function forgetLists(): void {
  void queryClient.invalidateQueries({ queryKey: ORDERS })
  void queryClient.invalidateQueries({ queryKey: STATISTICS })
}

/** Moves an order along its flow, but only if it still is what the admin saw: `seen`. */
export async function changeStatus(seen: Order, to: OrderStatus, arrival: string | null): Promise<Order> {
  // Lists carry no entity tags, so it is asked for first.
  const fresh = await fetchOrder(seen.uid)
  if (fresh.order.updated_at !== seen.updated_at) {
    throw new Problem(412, 'precondition_failed', t('order.changed'))
  }
  const { data, response } = await answerOf(
    api.PUT('/orders/{uid}/status', {
      params: { path: { uid: seen.uid }, header: ifMatch(fresh.etag) },
      body: { status: to, estimated_arrival_time: arrival },
    }),
  )
  showOrder({ order: data, etag: response.headers.get('ETag') })
  return data
}

/** Replaces what is in an order, but only if it still is what `etag` stands for. */
export async function editOrder(
  uid: string,
  etag: string | null,
  body: { snacks: { uid: string; quantity: number }[] },
): Promise<Order> {
  const { data, response } = await answerOf(
    api.PUT('/orders/{uid}', { params: { path: { uid }, header: ifMatch(etag) }, body }),
  )
  showOrder({ order: data, etag: response.headers.get('ETag') })
  return data
}

/** Asks for an order again and shows what has become of it. */
export async function refreshOrder(uid: string): Promise<TaggedOrder> {
  const tagged = await fetchOrder(uid)
  showOrder(tagged)
  return tagged
}

export async function createOrder(body: { snacks: { uid: string; quantity: number }[] }, key: string): Promise<Order> {
  const order = await dataOf(api.POST('/orders', { params: { header: { 'Idempotency-Key': key } }, body }))
  forgetLists()
  return order
}

function ifMatch(etag: string | null): { 'If-Match'?: string } {
  return etag ? { 'If-Match': etag } : {}
}
