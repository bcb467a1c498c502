import { computed } from 'vue'

import { LOCALES, currentLanguage, t } from '.'
import type { Money } from '../api/types'
import { formatMoney, formatNumber } from '../money'
import { formatDate, formatDateTime, formatMonth, formatPeriod, formatShortDay, timeZoneName } from '../time'

/** Formats amounts, numbers and times for the present language. */
export function useFormat() {
  const locale = computed(() => LOCALES[currentLanguage()])
  return {
    money: (money: Money) => formatMoney(money, locale.value),
    moneys: (amounts: readonly Money[]) => amounts.map((money) => formatMoney(money, locale.value)).join(' + '),
    number: (value: number) => formatNumber(value, locale.value),
    /** A message with a number and its plural form: `1 piece`, `2 pieces`. */
    counted: (key: string, count: number) => t(key, { count: formatNumber(count, locale.value) }, count),
    dateTime: (instant: string) => formatDateTime(instant, locale.value),
    date: (day: string) => formatDate(day, locale.value),
    shortDay: (day: string) => formatShortDay(day, locale.value),
    timeZone: () => timeZoneName(locale.value),
    month: (month: number) => formatMonth(month, locale.value),
    period: (label: string) => formatPeriod(label, locale.value, (week) => t('period.weekName', { week })),
  }
}
