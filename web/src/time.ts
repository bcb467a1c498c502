// Instants are UTC in the contract and Seoul time for people, wherever their browser is.
export const TIME_ZONE = 'Asia/Seoul'
// Korea has had no summer time since 1988, and nothing that is typed in here is older.
const OFFSET = '+09:00'

const parts = new Intl.DateTimeFormat('sv-SE', {
  timeZone: TIME_ZONE,
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
})

/** An instant as `<input type="datetime-local">` wants it: `2024-01-09T12:00`. */
export function toLocalInput(instant: string | Date): string {
  return parts.format(new Date(instant)).replace(' ', 'T')
}

/** What was typed into `<input type="datetime-local">`, as an instant: `2024-01-09T03:00:00Z`. Null where it is no time. */
export function fromLocalInput(text: string): string | null {
  const instant = new Date(`${text}:00${OFFSET}`)
  return Number.isNaN(instant.getTime()) ? null : instant.toISOString().replace('.000Z', 'Z')
}

/** The day in Seoul: `2024-01-09`. */
export function today(now = new Date()): string {
  return toLocalInput(now).slice(0, 10)
}

export function formatDateTime(instant: string, locale: string): string {
  return new Intl.DateTimeFormat(locale, { timeZone: TIME_ZONE, dateStyle: 'medium', timeStyle: 'short' }).format(
    new Date(instant),
  )
}

/** A date (`2024-01-09`) or an instant, without the time of day. */
export function formatDate(day: string, locale: string): string {
  const instant = day.length === 10 ? `${day}T00:00:00${OFFSET}` : day
  return new Intl.DateTimeFormat(locale, { timeZone: TIME_ZONE, dateStyle: 'medium' }).format(new Date(instant))
}

/** The name of a month, from 1 to 12. */
export function formatMonth(month: number, locale: string): string {
  return new Intl.DateTimeFormat(locale, { timeZone: 'UTC', month: 'long' }).format(Date.UTC(2024, month - 1, 1))
}

/** A label of the statistics: `2024`, `2024-01`, `2024-01-W1` or `2024-01-04`. */
export function formatPeriod(label: string, locale: string, weekName: (week: number) => string): string {
  const [, year, month, week] = /^(\d{4})(?:-(\d{2})(?:-W(\d))?)?$/.exec(label) ?? []
  if (!year) return formatDate(label, locale)
  if (!month) return year
  const format = new Intl.DateTimeFormat(locale, { timeZone: 'UTC', year: 'numeric', month: 'short' })
  const name = format.format(Date.UTC(Number(year), Number(month) - 1, 1))
  return week ? `${name} ${weekName(Number(week))}` : name
}
