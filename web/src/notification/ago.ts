import { currentLocale, t } from '../i18n'
import { daysUntil, formatDay } from '../time'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** The time since an instant in words, with days of the calendar of the office: `5분 전`, `어제`, `11월 3일`. */
export function ago(instant: string, now = new Date(), zone?: string): string {
  const passed = now.getTime() - Date.parse(instant)
  // The clock of the server may be ahead.
  if (passed < MINUTE_MS) return t('notifications.justNow')
  const locale = currentLocale()
  const format = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })
  if (passed < HOUR_MS) return format.format(-Math.floor(passed / MINUTE_MS), 'minute')
  if (passed < DAY_MS) return format.format(-Math.floor(passed / HOUR_MS), 'hour')
  const days = daysUntil(instant, now, zone)
  return days > -7 ? format.format(days, 'day') : formatDay(instant, locale, now, zone)
}
