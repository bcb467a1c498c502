import { computed, reactive, ref, watch } from 'vue'

import { api, dataOf } from '../api/client'
import { usePages } from '../api/query'
import type { Order, OrderStatus } from '../api/types'
import { ORDERS } from '../order/orders'
import { useQueryState } from '../ui/useQueryState'
import { mergeKept } from './kept'

export const STAGES = ['created', 'approved', 'ordered', 'shipping'] as const
export type Stage = (typeof STAGES)[number]

/** The most that the API sends at once. */
const LIMIT = 100

function useStagePages(stage: OrderStatus) {
  const query = { status: [stage], ordering: 'created_at', limit: LIMIT } as const
  return usePages<Order>(
    () => [...ORDERS, query],
    (cursor, signal) =>
      dataOf(api.GET('/orders', { params: { query: { ...query, status: [stage], cursor } }, signal })),
  )
}

/** The open orders by stage. An order that is moved on stays where it is until another stage is chosen. */
export function useDesk() {
  const stage = useQueryState().choice('stage', STAGES, 'created')
  const pages = {
    created: useStagePages('created'),
    approved: useStagePages('approved'),
    ordered: useStagePages('ordered'),
    shipping: useStagePages('shipping'),
  }
  const kept = ref<ReadonlyMap<string, Order>>(new Map())
  watch(stage, () => (kept.value = new Map()))

  const shown = computed(() => pages[stage.value])
  const rows = computed(() =>
    mergeKept(
      shown.value.rows,
      kept.value,
      STAGES.flatMap((name) => pages[name].rows),
    ),
  )
  /** The number of orders in each stage: `3`, or `100+` if there are more. */
  const counts = computed(() =>
    STAGES.map((name) => {
      const { isPending, error, rows, hasMore } = pages[name]
      const isKnown = !isPending && !(error && rows.length === 0)
      return { stage: name, count: isKnown ? `${rows.length}${hasMore ? '+' : ''}` : '' }
    }),
  )

  /** Keeps an order in the list, in its present state. */
  function keep(order: Order): void {
    kept.value = new Map([...kept.value, [order.uid, order]])
  }

  const list = reactive({
    rows,
    isPending: computed(() => shown.value.isPending),
    isStale: computed(() => shown.value.isStale),
    error: computed(() => shown.value.error),
    hasMore: computed(() => shown.value.hasMore),
    isLoadingMore: computed(() => shown.value.isLoadingMore),
    loadMore: () => shown.value.loadMore(),
    retry: () => shown.value.retry(),
  })
  return { stage, list, rows, counts, keep }
}
