import { computed, shallowRef, watch, type Ref } from 'vue'

import { queryClient, wasReadBefore } from '../api/query'
import type { BuyingList } from '../api/types'
import { t } from '../i18n'
import { useFormat } from '../i18n/format'
import { useLive } from '../live/useLive'
import { BUYING_LIST } from '../order/orders'
import { fetchBuyingList } from './buyingListQuery'

const linesOf = (list: BuyingList) => list.results.flatMap((shop) => shop.snacks)
const orderUids = (list: BuyingList) => new Set(linesOf(list).flatMap(({ orders }) => orders.map(({ uid }) => uid)))

/** True if both lists have the same lines in the same positions, whatever their quantities are. */
export function hasSameLines(one: BuyingList, other: BuyingList): boolean {
  const keys = (list: BuyingList) =>
    list.results.flatMap(({ host, snacks }) =>
      snacks.map(({ snack, currency, unit_price }) => [host, snack.uid, currency, unit_price].join(' ')),
    )
  return keys(one).join('\n') === keys(other).join('\n')
}

/** Keeps the list up to date. A list with other lines is offered to the user, so that no line moves while it is ticked. */
export function useLiveBuyingList(list: Readonly<Ref<BuyingList | undefined>>) {
  const format = useFormat()
  const changed = shallowRef<BuyingList | null>(null)
  let isReading = false
  let isReadDue = false
  watch(list, () => (changed.value = null))

  /** Reads the list. Several calls at once need one further read. */
  async function check(): Promise<void> {
    isReadDue = true
    if (isReading) return
    isReading = true
    while (isReadDue) {
      isReadDue = false
      // Without a response the list stays as it is until the next check.
      const read = await fetchBuyingList().catch(() => null)
      if (read && list.value && hasSameLines(read, list.value)) queryClient.setQueryData(BUYING_LIST, read)
      else if (read) changed.value = read
    }
    isReading = false
  }

  useLive({
    order: ({ uid, status }) => {
      if (list.value && (status === 'approved' || orderUids(list.value).has(uid))) void check()
    },
    resync: (before) => {
      const query = queryClient.getQueryCache().find({ queryKey: BUYING_LIST, exact: true })
      if (query && wasReadBefore(query, before)) void check()
    },
  })

  const text = computed(() => {
    if (!changed.value || !list.value) return ''
    const shown = orderUids(list.value)
    const count = [...orderUids(changed.value)].filter((uid) => !shown.has(uid)).length
    return count > 0 ? format.counted('live.newOrders', count) : t('live.changedList')
  })

  return { text, show: () => queryClient.invalidateQueries({ queryKey: BUYING_LIST }) }
}
