import { api, dataOf } from '../api/client'
import type { Currency, PeriodSummary, Summary, Unit } from '../api/types'
import { CURRENCIES } from '../money'
import type { PeriodQuery } from '../period'
import { saveFile } from '../ui/saveFile'

/** The orders to count. */
export interface Selection extends PeriodQuery {
  include_canceled?: boolean
}

export function fetchSummary(selection: Selection, unit: Unit, signal?: AbortSignal): Promise<Summary> {
  return dataOf(api.GET('/statistics/summary', { params: { query: { ...selection, unit } }, signal }))
}

export type Report = 'summary' | 'snacks' | 'orders'

/** Downloads all rows as a file. */
export async function downloadCsv(report: Report, selection: Selection, unit: Unit): Promise<void> {
  const options = { headers: { Accept: 'text/csv' }, parseAs: 'blob' } as const
  const request = {
    summary: () => api.GET('/statistics/summary', { params: { query: { ...selection, unit } }, ...options }),
    snacks: () => api.GET('/statistics/snacks', { params: { query: selection }, ...options }),
    orders: () => api.GET('/statistics/orders', { params: { query: selection }, ...options }),
  }[report]
  saveFile(await dataOf(request()), `${[report, ...Object.values(selection)].join('-')}.csv`)
}

/** The currencies in `rows`, in their usual order. */
export function currenciesOf(rows: readonly Pick<PeriodSummary, 'amounts'>[]): Currency[] {
  const occurring = new Set(rows.flatMap((row) => row.amounts.map((money) => money.currency)))
  return CURRENCIES.filter((currency) => occurring.has(currency))
}

/** The amount of a row in a currency, as a decimal string. */
export function amountIn(row: Pick<PeriodSummary, 'amounts'>, currency: Currency): string {
  return row.amounts.find((money) => money.currency === currency)?.amount ?? '0'
}
