import { computed, type Ref } from 'vue'

import { t } from '../i18n'
import { useFormat } from '../i18n/format'
import { weeksInMonth, type Period, type PeriodKind } from '../period'
import { today } from '../time'

const FIRST_YEAR = 2020
const KINDS: readonly PeriodKind[] = ['all', 'year', 'month', 'week', 'day', 'range']

/** The options of the select fields for a period. */
export function usePeriodOptions(period: Readonly<Ref<Period>>) {
  const format = useFormat()

  const kinds = computed(() => KINDS.map((value) => ({ value, text: t(`period.${value}`) })))
  const years = computed(() => {
    const last = Number(today().slice(0, 4)) + 1
    const all = Array.from({ length: last - FIRST_YEAR + 1 }, (_, index) => last - index)
    // The address may name another year.
    const chosen = 'year' in period.value ? period.value.year : last
    return (all.includes(chosen) ? all : [...all, chosen].sort((a, b) => b - a)).map((value) => ({
      value,
      text: t('period.yearName', { year: value }),
    }))
  })
  const months = computed(() =>
    Array.from({ length: 12 }, (_, index) => ({ value: index + 1, text: format.month(index + 1) })),
  )
  const weeks = computed(() =>
    period.value.kind === 'week'
      ? Array.from({ length: weeksInMonth(period.value.year, period.value.month) }, (_, index) => ({
          value: index + 1,
          text: t('period.weekName', { week: index + 1 }),
        }))
      : [],
  )

  return { kinds, years, months, weeks }
}
