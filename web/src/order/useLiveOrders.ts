import { queryClient, type CachedPages } from '../api/query'
import type { Order, Snack } from '../api/types'
import type { OrderEvent } from '../live/events'
import { useLive } from '../live/useLive'
import { SNACK, SNACKS, updateSnack } from '../snack/snacks'
import { STATISTICS } from '../statistics/keys'
import { ORDERS, fetchOrder, orderKey, updateOrder, versionOf, type TaggedOrder } from './orders'

/** True if a page shows the order. */
export function isShown(uid: string): boolean {
  const cache = queryClient.getQueryCache()
  return (
    cache.findAll({ queryKey: orderKey(uid), exact: true, type: 'active' }).length > 0 ||
    cache
      .findAll({ queryKey: ORDERS, type: 'active' })
      .some(({ state }) =>
        (state.data as CachedPages<Order> | undefined)?.pages.some((page) =>
          page.results.some((order) => order.uid === uid),
        ),
      )
  )
}

/** The snacks on the pages that the open order has. */
function snacksOf(order: string): Set<string> {
  const lists = queryClient.getQueriesData<CachedPages<Snack>>({ queryKey: SNACKS })
  const snacks = [
    ...lists.flatMap(([, cached]) => cached?.pages.flatMap((page) => page.results) ?? []),
    ...queryClient.getQueriesData<Snack>({ queryKey: SNACK }).map(([, snack]) => snack),
  ]
  return new Set(snacks.flatMap((snack) => (snack?.open_order?.uid === order ? snack.uid : [])))
}

async function readOrder({ uid, version }: OrderEvent): Promise<void> {
  const key = orderKey(uid)
  const cached = queryClient.getQueryData<TaggedOrder>(key)
  if (cached && versionOf(cached) >= version) {
    updateOrder(cached)
    return
  }
  // A read that is under way may not have the change.
  await queryClient.cancelQueries({ queryKey: key, exact: true })
  updateOrder(await queryClient.fetchQuery({ queryKey: key, queryFn: () => fetchOrder(uid), staleTime: 0 }))
}

/** Shows changes of orders where they are shown. */
export function useLiveOrders(): void {
  useLive({
    order: (event) => {
      const { uid, status } = event
      // From shipping on its snacks are free, which events of the snacks tell.
      if (status === 'created' || status === 'approved' || status === 'ordered') {
        for (const snack of snacksOf(uid)) {
          updateSnack(snack, (shown) => ({ ...shown, open_order: shown.open_order && { ...shown.open_order, status } }))
        }
      }
      // Lists that are not shown are loaded again when they are.
      void queryClient.invalidateQueries({ queryKey: ORDERS, refetchType: 'none' })
      // Canceled orders do not count.
      void queryClient.invalidateQueries({
        queryKey: STATISTICS,
        refetchType: status === 'canceled' ? 'active' : 'none',
      })
      // Without a response the order is read again with the rest.
      if (isShown(uid)) readOrder(event).catch(() => undefined)
    },
  })
}
