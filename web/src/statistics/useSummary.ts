import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'

import type { Unit } from '../api/types'
import { sumByCurrency } from '../money'
import { STATISTICS } from './keys'
import { fetchSummary, type Selection } from './statistics'

/** The orders of a selection by period, and their totals. */
export function useSummary(selection: Readonly<Ref<Selection>>, unit: Readonly<Ref<Unit>>) {
  const { data, error, isPending, isSuccess, refetch } = useQuery({
    queryKey: computed(() => [...STATISTICS, 'summary', selection.value, unit.value]),
    queryFn: ({ signal }) => fetchSummary(selection.value, unit.value, signal),
    placeholderData: keepPreviousData,
  })
  const rows = computed(() => data.value?.results ?? [])
  const totals = computed(() => ({
    orders: rows.value.reduce((sum, row) => sum + row.order_count, 0),
    quantity: rows.value.reduce((sum, row) => sum + row.snack_quantity, 0),
    amounts: sumByCurrency(rows.value.flatMap((row) => row.amounts)),
  }))
  const isEmpty = computed(() => isSuccess.value && totals.value.orders === 0)
  return { summary: data, error, isPending, refetch, rows, totals, isEmpty }
}

export type Totals = ReturnType<typeof useSummary>['totals']['value']
