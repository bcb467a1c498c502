// Korean is part of the first load. English is loaded when it is chosen. The build compiles the messages.
import { computed, nextTick } from 'vue'
import { createI18n } from 'vue-i18n'

import type { Money } from '../api/types'
import { formatMoney, formatNumber } from '../money'
import { formatDate, formatDateTime, formatMonth, formatPeriod, formatShortDay, timeZoneName } from '../time'
import ko from './ko.json'

export const LANGUAGES = ['ko', 'en'] as const
export type Language = (typeof LANGUAGES)[number]
export type Messages = typeof ko

const LOCALES: Record<Language, string> = { ko: 'ko-KR', en: 'en-US' }

export const i18n = createI18n<[Messages], Language, false>({
  legacy: false,
  locale: 'ko',
  fallbackLocale: 'ko',
  messages: { ko } as Record<Language, Messages>,
})

export const { t } = i18n.global

export function currentLanguage(): Language {
  return i18n.global.locale.value
}

export function currentLocale(): string {
  return LOCALES[currentLanguage()]
}

export async function setLanguage(language: Language): Promise<void> {
  if (language === 'en') i18n.global.mergeLocaleMessage('en', (await import('./en.json')).default)
  i18n.global.locale.value = language
  document.documentElement.lang = language
  await nextTick()
}

/** Adds messages that are not part of the first load. */
export function addMessages(messages: Record<Language, object>): void {
  for (const language of LANGUAGES) i18n.global.mergeLocaleMessage(language, messages[language])
}

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
