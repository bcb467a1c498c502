import { computed, ref, type Ref } from 'vue'

import type { Budget, Order, OrderStatus } from '../api/types'
import { needsArrivalTime } from '../order/status'
import { orderTitle } from '../order/title'
import { groupByNextStep, isSelectable } from './selection'
import { useBatch } from './useBatch'

/** The selection of several orders of a list. */
export function useBulk(
  rows: Readonly<Ref<Order[]>>,
  budgets: Readonly<Ref<readonly Budget[]>>,
  keep: (order: Order) => void,
) {
  const chosen = ref<ReadonlySet<string>>(new Set())
  const batch = useBatch<Order>({ titleOf: orderTitle, onChange: keep })

  const selectable = computed(() => rows.value.filter(isSelectable))
  const selected = computed(() => selectable.value.filter(({ uid }) => chosen.value.has(uid)))
  const groups = computed(() => groupByNextStep(selected.value, budgets.value))
  const needsArrival = computed(() => groups.value.some(({ to }) => needsArrivalTime(to)))

  function toggle(uid: string): void {
    const changed = new Set(chosen.value)
    if (!changed.delete(uid)) changed.add(uid)
    chosen.value = changed
  }

  /** Selects all orders, or none if all are selected. */
  function toggleAll(): void {
    const isAll = selected.value.length === selectable.value.length
    chosen.value = new Set(isAll ? [] : selectable.value.map(({ uid }) => uid))
  }

  function clear(): void {
    chosen.value = new Set()
    batch.results.value = []
  }

  function run(to: OrderStatus, orders: readonly Order[]): Promise<boolean> {
    orders.forEach(keep)
    return batch.run(to, orders)
  }

  return { ...batch, chosen, selectable, selected, groups, needsArrival, toggle, toggleAll, clear, run }
}
