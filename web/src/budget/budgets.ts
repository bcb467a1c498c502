import { queryOptions } from '@tanstack/vue-query'

import { api, dataOf } from '../api/client'
import { queryClient } from '../api/query'
import type { Budget, BudgetChange } from '../api/types'
import { BUDGETS } from './keys'

/** The budgets of a month, one for each currency that has a limit or amounts. */
export function budgetsQuery(month: string) {
  return queryOptions({
    queryKey: [...BUDGETS, month],
    queryFn: ({ signal }) => dataOf(api.GET('/budgets', { params: { query: { month } }, signal })),
  })
}

export async function setBudget(month: string, change: BudgetChange): Promise<Budget> {
  const budget = await dataOf(api.PUT('/budgets/{month}', { params: { path: { month } }, body: change }))
  // A change may also apply to later months.
  await queryClient.invalidateQueries({ queryKey: BUDGETS })
  return budget
}
