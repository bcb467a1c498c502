import { computed } from 'vue'

import { queryClient, type LivePages } from '../api/query'
import type { Order } from '../api/types'
import { useFormat } from '../i18n/format'
import { useLive } from '../live/useLive'
import { useLiveRows } from '../live/useLiveRows'
import { STATISTICS } from '../statistics/keys'
import { ORDERS, fetchOrder, newerOrder } from './orders'

/** Keeps the orders of a list up to date in their places. */
export function useLiveOrderRows(pages: LivePages<Order>, isShown = () => true) {
  const live = useLiveRows<Order>(pages, {
    isShown,
    fetchRow: async (uid) => (await fetchOrder(uid)).order,
    merge: newerOrder,
  })
  useLive({
    order: ({ uid }) => {
      if (isShown() && !pages.rows.some((order) => order.uid === uid)) void live.check()
    },
  })
  return live
}

/** The offer to show the orders that a list does not have yet. */
export function useNewOrders(getCount: () => number) {
  const format = useFormat()
  const text = computed(() => (getCount() > 0 ? format.counted('live.newOrders', getCount()) : ''))

  async function show(): Promise<void> {
    void queryClient.invalidateQueries({ queryKey: STATISTICS })
    await queryClient.invalidateQueries({ queryKey: ORDERS })
  }

  return { text, show }
}
