// Instants are UTC in the contract and Seoul time for people, wherever their browser is.
const TIME_ZONE = 'Asia/Seoul'
// Korea has had no summer time since 1988, and nothing that is typed in here is older.
const OFFSET = '+09:00'

const OFFSET_MS = 9 * 3_600_000

/** An instant as `<input type="datetime-local">` wants it: `2024-01-09T12:00`. */
export function toLocalInput(instant: string | Date): string {
  return new Date(new Date(instant).getTime() + OFFSET_MS).toISOString().slice(0, 16)
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

/** Formats are dear to make and cheap to use: each is made once. */
const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = locale + JSON.stringify(options)
  const format = formats.get(key) ?? new Intl.DateTimeFormat(locale, options)
  formats.set(key, format)
  return format
}

export function formatDateTime(instant: string, locale: string): string {
  return formatOf(locale, { timeZone: TIME_ZONE, dateStyle: 'medium', timeStyle: 'short' }).format(new Date(instant))
}

/** A date (`2024-01-09`) or an instant, without the time of day. */
export function formatDate(day: string, locale: string): string {
  const instant = day.length === 10 ? `${day}T00:00:00${OFFSET}` : day
  return formatOf(locale, { timeZone: TIME_ZONE, dateStyle: 'medium' }).format(new Date(instant))
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
