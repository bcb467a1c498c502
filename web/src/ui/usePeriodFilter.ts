import { computed } from 'vue'

import { fromQuery, toQuery, type Period } from '../period'
import type { QueryState } from './useQueryState'

/** Removes every parameter of a period from an address. */
export const NO_PERIOD = { year: '', month: '', week: '', day: '', from: '', to: '' }

/** The period in the address of a page. A change of the period also removes the parameters in `reset`. */
export function usePeriodFilter(state: QueryState, reset: Record<string, ''> = {}) {
  const period = computed<Period>({
    get: () => fromQuery(state.query.value) ?? { kind: 'all' },
    set: (chosen) => state.set({ ...NO_PERIOD, ...reset, ...toQuery(chosen) }),
  })
  /** The period as parameters of the API. */
  const periodParams = computed(() => toQuery(period.value))
  return { period, periodParams }
}
