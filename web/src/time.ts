// Instants are UTC in the API. People see them in the office's time zone, wherever their browser is.

/** The server writes APP_TIMEZONE into the page. */
export const TIME_ZONE = globalThis.document?.documentElement.dataset.timezone ?? 'Asia/Seoul'

const DAY_MS = 86_400_000

/** An instant as a value of `<input type="datetime-local">`: `2024-01-09T12:00`. */
export function toLocalInput(instant: string | Date, zone = TIME_ZONE): string {
  const time = new Date(instant).getTime()
  return new Date(time + offsetAt(time, zone)).toISOString().slice(0, 16)
}

/**
 * The value of `<input type="datetime-local">` as an instant: `2024-01-09T03:00:00Z`. Null if it is not a time.
 *
 * Resolves the hours around a change of the clocks as `java.time` does: a time that does not exist is moved forward by the
 * length of the gap, and of a time that exists twice the first one is meant.
 */
export function fromLocalInput(text: string, zone = TIME_ZONE): string | null {
  // Browsers read other texts as dates, too.
  const local = /^\d{4,}-\d{2}-\d{2}T\d{2}:\d{2}$/.test(text) ? Date.parse(`${text}:00Z`) : NaN
  if (Number.isNaN(local)) return null
  const before = offsetAt(local - DAY_MS, zone)
  const after = offsetAt(local + DAY_MS, zone)
  const isAfterChange = offsetAt(local - before, zone) !== before && offsetAt(local - after, zone) === after
  return new Date(local - (isAfterChange ? after : before)).toISOString().replace('.000Z', 'Z')
}

/** The difference to UTC in milliseconds. */
function offsetAt(instant: number, zone: string): number {
  const name = formatOf('en-US', { timeZone: zone, timeZoneName: 'longOffset' }).format(instant)
  const [, sign, hours, minutes, seconds = '0'] = /GMT([+-])(\d{2}):(\d{2})(?::(\d{2}))?$/.exec(name) ?? []
  // `GMT` alone is UTC.
  if (!sign) return 0
  const offset = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000
  return sign === '-' ? -offset : offset
}

/** The present day: `2024-01-09`. */
export function today(now = new Date(), zone = TIME_ZONE): string {
  return toLocalInput(now, zone).slice(0, 10)
}

/** The number of midnights between now and an instant, in the past negative. */
export function daysUntil(instant: string, now = new Date(), zone = TIME_ZONE): number {
  return (Date.parse(today(new Date(instant), zone)) - Date.parse(today(now, zone))) / DAY_MS
}

/** Creating a format is slow, so each is created once. */
const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = locale + JSON.stringify(options)
  const format = formats.get(key) ?? new Intl.DateTimeFormat(locale, options)
  formats.set(key, format)
  return format
}

export function formatDateTime(instant: string, locale: string, zone = TIME_ZONE): string {
  return formatOf(locale, { timeZone: zone, dateStyle: 'medium', timeStyle: 'short' }).format(new Date(instant))
}

/** A date (`2024-01-09`) or an instant, without the time of day. */
export function formatDate(day: string, locale: string, zone = TIME_ZONE): string {
  // `new Date` reads a date as midnight in UTC.
  const timeZone = day.length === 10 ? 'UTC' : zone
  return formatOf(locale, { timeZone, dateStyle: 'medium' }).format(new Date(day))
}

/** The day of the week: `금요일`. */
export function formatWeekday(instant: string, locale: string, zone = TIME_ZONE): string {
  return formatOf(locale, { timeZone: zone, weekday: 'long' }).format(new Date(instant))
}

/** A day without the year if it is the present one: `12월 3일`. */
export function formatDay(instant: string, locale: string, now = new Date(), zone = TIME_ZONE): string {
  const isThisYear = today(new Date(instant), zone).slice(0, 4) === today(now, zone).slice(0, 4)
  const year = isThisYear ? undefined : 'numeric'
  return formatOf(locale, { timeZone: zone, year, month: 'long', day: 'numeric' }).format(new Date(instant))
}

/** A date (`2024-01-09`) with its weekday and without its year: `1. 9. (화)`. */
export function formatShortDay(day: string, locale: string): string {
  const format = formatOf(locale, { timeZone: 'UTC', month: 'numeric', day: 'numeric', weekday: 'short' })
  return format.format(new Date(day))
}

/** The name of the time zone: `대한민국 시간`. */
export function timeZoneName(locale: string, zone = TIME_ZONE): string {
  const parts = formatOf(locale, { timeZone: zone, timeZoneName: 'shortGeneric' }).formatToParts()
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? zone
}

/** The name of a month, from 1 to 12. */
export function formatMonth(month: number, locale: string): string {
  return formatOf(locale, { timeZone: 'UTC', month: 'long' }).format(Date.UTC(2024, month - 1, 1))
}

/** A label of the statistics: `2024`, `2024-01`, `2024-01-W1` or `2024-01-04`. */
export function formatPeriod(label: string, locale: string, weekName: (week: number) => string): string {
  const [, year, month, week] = /^(\d{4})(?:-(\d{2})(?:-W(\d))?)?$/.exec(label) ?? []
  if (!year) return formatDate(label, locale)
  if (!month) return year
  const format = formatOf(locale, { timeZone: 'UTC', year: 'numeric', month: 'short' })
  const name = format.format(Date.UTC(Number(year), Number(month) - 1, 1))
  return week ? `${name} ${weekName(Number(week))}` : name
}
