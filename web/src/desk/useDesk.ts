import { computed, reactive, ref, watch } from 'vue'

import { api, dataOf } from '../api/client'
import { usePages } from '../api/query'
import type { Order, OrderStatus } from '../api/types'
import { useLive } from '../live/useLive'
import { ORDERS } from '../order/orders'
import { useLiveOrderRows, useNewOrders } from '../order/useNewOrders'
import { useQueryState } from '../ui/useQueryState'
import { mergeKept } from './kept'

export const STAGES = ['created', 'approved', 'ordered', 'shipping'] as const
export type Stage = (typeof STAGES)[number]

/** The most that the API sends at once. */
const LIMIT = 100

function useStagePages(stage: OrderStatus, isShown: () => boolean) {
  const query = { status: [stage], ordering: 'created_at', limit: LIMIT } as const
  const pages = usePages<Order>(
    () => [...ORDERS, query],
    (cursor, signal) =>
      dataOf(api.GET('/orders', { params: { query: { ...query, status: [stage], cursor } }, signal })),
    { isLive: true },
  )
  const live = useLiveOrderRows(pages, isShown)
  useLive({
    order: ({ uid, status }) => {
      const isAffected = status === stage || pages.rows.some((order) => order.uid === uid)
      if (!isShown() && isAffected) void pages.retry()
    },
  })
  return { pages, live }
}

/** The open orders by stage. An order that is moved on stays where it is until another stage is chosen. */
export function useDesk() {
  const stage = useQueryState().choice('stage', STAGES, 'created')
  const stages = {
    created: useStagePages('created', () => stage.value === 'created'),
    approved: useStagePages('approved', () => stage.value === 'approved'),
    ordered: useStagePages('ordered', () => stage.value === 'ordered'),
    shipping: useStagePages('shipping', () => stage.value === 'shipping'),
  }
  const kept = ref<ReadonlyMap<string, Order>>(new Map())
  watch(stage, (_now, before) => {
    kept.value = new Map()
    void stages[before].pages.retry()
  })

  const shown = computed(() => stages[stage.value].pages)
  const known = computed(() => STAGES.flatMap((name) => stages[name].pages.rows))
  // Those that somebody else has moved on stay too.
  watch(
    () => shown.value.rows.filter(({ status }) => status !== stage.value),
    (moved) => moved.forEach(keep),
  )
  const rows = computed(() => mergeKept(shown.value.rows, kept.value, known.value))
  /** The orders of all stages, each once and in its newest state. */
  const orders = computed(() => mergeKept([], new Map(known.value.map((order) => [order.uid, order])), known.value))
  /** The number of orders in each stage: `3`, or `100+` if there are more. */
  const counts = computed(() =>
    STAGES.map((name) => {
      const { isPending, error, rows, hasMore } = stages[name].pages
      const isKnown = !isPending && !(error && rows.length === 0)
      const count = orders.value.filter(({ status }) => status === name).length + stages[name].live.unseen.length
      return { stage: name, count: isKnown ? `${count}${hasMore ? '+' : ''}` : '' }
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
  const news = useNewOrders(() => stages[stage.value].live.unseen.length)
  return { stage, list, rows, counts, keep, news }
}
