import { useQuery } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'

import type { PeriodSummary } from '../api/types'
import type { PeriodQuery } from '../period'
import { STATISTICS } from '../statistics/keys'
import { fetchSummary } from '../statistics/statistics'

/** The sums of the months in a period, which count the orders of everyone. Only if `isShown`. */
export function useMonthSums(period: Readonly<Ref<PeriodQuery>>, isShown: Readonly<Ref<boolean>>) {
  const { data } = useQuery({
    queryKey: computed(() => [...STATISTICS, 'summary', period.value, 'month']),
    queryFn: ({ signal }) => fetchSummary(period.value, 'month', signal),
    enabled: isShown,
  })
  return computed(() => {
    const rows = isShown.value ? (data.value?.results ?? []) : []
    return new Map<string, PeriodSummary>(rows.map((row) => [row.period, row]))
  })
}
