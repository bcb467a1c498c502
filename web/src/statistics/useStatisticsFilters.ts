import { computed } from 'vue'

import { usePeriodFilter } from '../ui/usePeriodFilter'
import { useQueryState } from '../ui/useQueryState'
import type { Selection } from './statistics'
import { UNITS, unitFor } from './unit'

export const VIEWS = ['charts', 'tables'] as const
export const ORDERINGS = ['-quantity', '-order_count', 'name', 'quantity', 'order_count', '-name'] as const
export type Ordering = (typeof ORDERINGS)[number]

/** The filters of the statistics page, kept in its address. */
export function useStatisticsFilters() {
  const state = useQueryState()
  // Each period has a default unit of its own.
  const { period, periodParams } = usePeriodFilter(state, { unit: '' })
  const unit = state.choice('unit', UNITS, () => unitFor(period.value))
  const withCanceled = state.flag('canceled')
  const view = state.choice('view', VIEWS, 'charts')
  const ordering = state.choice('ordering', ORDERINGS, '-quantity')
  const selection = computed<Selection>(() => ({
    ...periodParams.value,
    ...(withCanceled.value ? { include_canceled: true } : {}),
  }))
  /** The number of active filters. */
  const active = computed(() => Number(period.value.kind !== 'all') + Number(withCanceled.value))
  return { period, unit, withCanceled, view, ordering, selection, active }
}
