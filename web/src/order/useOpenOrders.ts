import { computed } from 'vue'

import { api, dataOf } from '../api/client'
import { usePages } from '../api/query'
import type { Order, OrderStatus } from '../api/types'
import { ORDERS } from './orders'
import { useLiveOrderRows } from './useNewOrders'

const OPEN: readonly OrderStatus[] = ['created', 'approved', 'ordered', 'shipping']
/** Nobody has more at a time. */
const LIMIT = 50

function useOrders(filter: { user?: 'me'; followed?: 'me' }) {
  const query = { ...filter, status: [...OPEN], limit: LIMIT }
  const pages = usePages<Order>(
    [...ORDERS, query],
    (cursor, signal) => dataOf(api.GET('/orders', { params: { query: { ...query, cursor } }, signal })),
    { isLive: true },
  )
  useLiveOrderRows(pages)
  return pages
}

/** The orders that the user waits for: their own, then those that they follow. */
export function useOpenOrders() {
  const own = useOrders({ user: 'me' })
  const followed = useOrders({ followed: 'me' })
  const isPending = computed(() => own.isPending || followed.isPending)
  const orders = computed(() => {
    const mine = new Set(own.rows.map(({ uid }) => uid))
    return [
      ...own.rows.map((order) => ({ order, isOwn: true })),
      ...followed.rows.filter(({ uid }) => !mine.has(uid)).map((order) => ({ order, isOwn: false })),
    ]
  })
  return { orders, isPending }
}
