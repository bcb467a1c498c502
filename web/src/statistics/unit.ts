import type { Unit } from '../api/types'
import type { Period } from '../period'

export const UNITS: readonly Unit[] = ['year', 'month', 'week', 'day']

const DAY = 86_400_000

/** The default unit for a period. */
export function unitFor(period: Period): Unit {
  switch (period.kind) {
    case 'all':
    case 'year':
      return 'month'
    case 'month':
    case 'week':
    case 'day':
      return 'day'
    case 'range': {
      if (!period.from || !period.to) return 'month'
      const days = (Date.parse(period.to) - Date.parse(period.from)) / DAY
      return days <= 62 ? 'day' : 'month'
    }
  }
}
