import { computed } from 'vue'

import { useQueryState } from '../ui/useQueryState'
import { SNACK_STATUSES } from './snacks'

export const ORDERINGS = [
  '-like_ratio',
  'like_ratio',
  '-like_reaction_count',
  '-hate_reaction_count',
  '-created_at',
  'name',
  'price',
  '-price',
] as const

/** The filters of the snack list, in the address of the page. */
export function useSnackFilters() {
  const state = useQueryState()
  const search = state.text('search')
  const ordering = state.choice('ordering', ORDERINGS, '-like_ratio')
  const status = state.choice('status', SNACK_STATUSES, 'orderable')
  const isOrderable = computed({
    get: () => status.value === 'orderable',
    set: (isOn) => (status.value = isOn ? 'orderable' : 'all'),
  })
  const filters = computed(() => ({
    search: search.value || undefined,
    ordering: ordering.value,
    status: status.value,
  }))
  const isDefault = computed(() => !search.value && ordering.value === '-like_ratio' && isOrderable.value)

  return { search, ordering, status, isOrderable, filters, isDefault }
}
