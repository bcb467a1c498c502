import { useQuery } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'

import type { PeriodSummary } from '../api/types'
import type { PeriodQuery } from '../period'
import { STATISTICS } from '../statistics/keys'
import { fetchSummary } from '../statistics/statistics'

/**
 * The sums of the months in a period, which count the orders of everyone, by their labels. Only if `isShown`. Null while they are
 * being loaded.
 */
export function useMonthSums(period: Readonly<Ref<PeriodQuery>>, isShown: Readonly<Ref<boolean>>) {
  const { data, isLoading } = useQuery({
    queryKey: computed(() => [...STATISTICS, 'summary', period.value, 'month']),
    queryFn: ({ signal }) => fetchSummary(period.value, 'month', signal),
    enabled: isShown,
  })
  const rows = computed(() => new Map(data.value?.results.map((row) => [row.period, row])))

  return (label: string): PeriodSummary | null | undefined => {
    if (!isShown.value) return undefined
    return isLoading.value ? null : rows.value.get(label)
  }
}
