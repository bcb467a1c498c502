import type { Ref } from 'vue'

import { api, dataOf } from '../api/client'
import { usePages } from '../api/query'
import type { SnackStatistics } from '../api/types'
import { STATISTICS } from './keys'
import type { Selection } from './statistics'
import type { Ordering } from './useStatisticsFilters'

export function useTopSnacks(selection: Readonly<Ref<Selection>>, ordering: Readonly<Ref<Ordering>>) {
  return usePages<SnackStatistics>(
    () => [...STATISTICS, 'snacks', selection.value, ordering.value],
    (cursor, signal) => {
      const query = { ...selection.value, ordering: ordering.value, limit: 10, cursor }
      return dataOf(api.GET('/statistics/snacks', { params: { query }, signal }))
    },
  )
}
