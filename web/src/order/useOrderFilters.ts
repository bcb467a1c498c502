import { computed } from 'vue'

import { t } from '../i18n'
import { NO_PERIOD, usePeriodFilter } from '../ui/usePeriodFilter'
import { useQueryState } from '../ui/useQueryState'
import { ORDER_STATUSES } from './status'

const ORDERINGS = [
  '-created_at',
  'created_at',
  'status',
  '-status',
  'estimated_arrival_time',
  '-estimated_arrival_time',
] as const

/** The filters of the order list, kept in its address. */
export function useOrderFilters() {
  const state = useQueryState()
  const { period, periodParams } = usePeriodFilter(state)
  const statuses = state.choices('status', ORDER_STATUSES)
  const ordering = state.choice('ordering', ORDERINGS, '-created_at')
  const userParam = state.text('user')
  /** `me`, an id, or empty for all users. */
  const user = computed({
    get: () => (/^(me|\d{1,18})$/.test(userParam.value) ? userParam.value : ''),
    set: (chosen) => (userParam.value = chosen),
  })

  /** The filters as parameters of the API. */
  const filters = computed(() => ({
    ...periodParams.value,
    status: statuses.value.length > 0 ? statuses.value : undefined,
    user: user.value || undefined,
    ordering: ordering.value,
  }))
  /** The number of active filters. */
  const active = computed(
    () => Number(period.value.kind !== 'all') + Number(statuses.value.length > 0) + Number(user.value !== ''),
  )
  const isFiltered = computed(() => active.value > 0)
  const isByDate = computed(() => ordering.value === '-created_at' || ordering.value === 'created_at')
  /** True if the list has the orders of everyone in every status. */
  const isWhole = computed(() => statuses.value.length === 0 && user.value === '')
  const orderings = computed(() => ORDERINGS.map((value) => ({ value, text: t(`orders.ordering.${value}`) })))

  function clear(): void {
    state.set({ ...NO_PERIOD, status: '', user: '' })
  }

  return {
    period,
    periodParams,
    isByDate,
    isWhole,
    user,
    statuses,
    ordering,
    orderings,
    filters,
    active,
    isFiltered,
    clear,
  }
}
