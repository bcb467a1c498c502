import type { PeriodSummary } from '../api/types'
import { daysOf, periodOf, toQuery, type PeriodQuery } from '../period'

/** The address of the orders that a row of the statistics counts. The first and the last row may be parts of their periods. */
export function ordersOf({ period: label, from, to }: Pick<PeriodSummary, 'period' | 'from' | 'to'>): {
  path: string
  query: Record<keyof PeriodQuery, string | number>
} {
  const period = periodOf(label)
  const whole = daysOf(period)
  const isWhole = whole.from === from && whole.to === to
  const query = toQuery(isWhole ? period : { kind: 'range', from, to }) as Record<keyof PeriodQuery, string | number>
  return { path: '/orders', query }
}
