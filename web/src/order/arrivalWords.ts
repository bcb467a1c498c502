import type { Order } from '../api/types'
import { currentLocale, t } from '../i18n'
import { daysUntil, formatDay, formatWeekday } from '../time'

/** The expected arrival of an order in words, by the calendar of the office: `금요일 도착 예정`. */
export function arrivalWords(instant: string, now = new Date(), zone?: string): string {
  const days = daysUntil(instant, now, zone)
  if (days < 0) return t('arrival.past', { count: -days }, -days)
  if (days === 0) return t('arrival.today')
  if (days === 1) return t('arrival.tomorrow')
  const locale = currentLocale()
  return t('arrival.on', {
    day: days < 7 ? formatWeekday(instant, locale, zone) : formatDay(instant, locale, now, zone),
  })
}

/** The expected arrival of an order in words, if it is on its way. */
export function expectedWords(order: Order): string | null {
  const isOnItsWay = order.status === 'ordered' || order.status === 'shipping'
  return isOnItsWay && order.estimated_arrival_time ? arrivalWords(order.estimated_arrival_time) : null
}
