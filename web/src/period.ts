// Calendar arithmetic for the period filters of the API, on dates as `YYYY-MM-DD` without a time zone.
// A week runs from Monday to Sunday and belongs to the month that holds its Thursday.
export type Period =
  | { kind: 'all' }
  | { kind: 'year'; year: number }
  | { kind: 'month'; year: number; month: number }
  | { kind: 'week'; year: number; month: number; week: number }
  | { kind: 'day'; day: string }
  /** Both ends are included; an empty one is open. */
  | { kind: 'range'; from: string; to: string }

export type PeriodKind = Period['kind']

/** The query parameters of a period, in the API and in the address bar. */
export interface PeriodQuery {
  year?: number
  month?: number
  week?: number
  day?: number
  from?: string
  to?: string
}

const DAY = 86_400_000
const THURSDAY = 4

/** Months may lie outside of 1 to 12: month 13 is January of the year after. */
function date(year: number, month: number, day: number): Date {
  return new Date(Date.UTC(year, month - 1, day))
}

function text(day: Date): string {
  return day.toISOString().slice(0, 10)
}

function isDate(day: string): boolean {
  const parsed = new Date(`${day}T00:00:00Z`)
  return /^\d{4}-\d{2}-\d{2}$/.test(day) && !Number.isNaN(parsed.getTime()) && text(parsed) === day
}

function split(day: string): { year: number; month: number; day: number } {
  const [year, month, dayOfMonth] = day.split('-').map(Number) as [number, number, number]
  return { year, month, day: dayOfMonth }
}

function addDays(day: string, days: number): string {
  const from = split(day)
  return text(date(from.year, from.month, from.day + days))
}

function firstThursday(year: number, month: number): Date {
  const first = date(year, month, 1)
  return date(year, month, 1 + ((THURSDAY - first.getUTCDay() + 7) % 7))
}

/** The number of Thursdays in the month: four or five. */
export function weeksInMonth(year: number, month: number): number {
  const last = date(year, month + 1, 0)
  return Math.floor((last.getTime() - firstThursday(year, month).getTime()) / (7 * DAY)) + 1
}

/** The week that contains `day`. */
export function weekOf(day: string): { year: number; month: number; week: number } {
  const { year, month, day: dayOfMonth } = split(day)
  const weekday = date(year, month, dayOfMonth).getUTCDay() || 7
  const thursday = split(text(date(year, month, dayOfMonth + THURSDAY - weekday)))
  return { year: thursday.year, month: thursday.month, week: Math.ceil(thursday.day / 7) }
}

/** The first and the last day of a period; empty if it is open. */
export function daysOf(period: Period): { from: string; to: string } {
  switch (period.kind) {
    case 'all':
      return { from: '', to: '' }
    case 'year':
      return { from: text(date(period.year, 1, 1)), to: text(date(period.year, 12, 31)) }
    case 'month':
      return { from: text(date(period.year, period.month, 1)), to: text(date(period.year, period.month + 1, 0)) }
    case 'week': {
      const thursday = text(firstThursday(period.year, period.month))
      const monday = addDays(thursday, 1 - THURSDAY + 7 * (period.week - 1))
      return { from: monday, to: addDays(monday, 6) }
    }
    case 'day':
      return { from: period.day, to: period.day }
    case 'range':
      return { from: period.from, to: period.to }
  }
}

/** The period of `kind` that contains `day`. */
export function periodAt(kind: PeriodKind, day: string): Period {
  const { year, month } = split(day)
  switch (kind) {
    case 'all':
      return { kind }
    case 'year':
      return { kind, year }
    case 'month':
      return { kind, year, month }
    case 'week':
      return { kind, ...weekOf(day) }
    case 'day':
      return { kind, day }
    case 'range':
      return { kind, from: text(date(year, month, 1)), to: day }
  }
}

/** The period of the same kind before (`-1`) or after (`1`). A range has no neighbours and is returned as it is. */
export function neighbour(period: Period, step: -1 | 1): Period {
  if (period.kind === 'all' || period.kind === 'range') return period
  const { from, to } = daysOf(period)
  return periodAt(period.kind, step < 0 ? addDays(from, -1) : addDays(to, 1))
}

/** The period of a label of the statistics: `2024`, `2024-01`, `2024-01-W1` or `2024-01-04`. */
export function periodOf(label: string): Period {
  const [year, month, rest] = label.split('-')
  if (rest?.startsWith('W'))
    return { kind: 'week', year: Number(year), month: Number(month), week: Number(rest.slice(1)) }
  if (rest) return { kind: 'day', day: label }
  return month ? { kind: 'month', year: Number(year), month: Number(month) } : { kind: 'year', year: Number(year) }
}

export function toQuery(period: Period): PeriodQuery {
  switch (period.kind) {
    case 'all':
      return {}
    case 'year':
      return { year: period.year }
    case 'month':
      return { year: period.year, month: period.month }
    case 'week':
      return { year: period.year, month: period.month, week: period.week }
    case 'day':
      return split(period.day)
    case 'range':
      return { from: period.from || undefined, to: period.to || undefined }
  }
}

/** The period in query parameters, which the user may have edited. Null if there is none. */
export function fromQuery(query: Record<string, unknown>): Period | null {
  const number = (name: string, max: number): number | undefined => {
    const value = query[name]
    const parsed = typeof value === 'string' && /^\d{1,4}$/.test(value) ? Number(value) : undefined
    return parsed !== undefined && parsed >= 1 && parsed <= max ? parsed : undefined
  }
  const day = (name: string): string => {
    const value = query[name]
    return typeof value === 'string' && isDate(value) ? value : ''
  }
  if (query.from !== undefined || query.to !== undefined) return { kind: 'range', from: day('from'), to: day('to') }
  const year = number('year', 9999)
  if (year === undefined) return null
  const month = number('month', 12)
  if (month === undefined) return { kind: 'year', year }
  const week = number('week', weeksInMonth(year, month))
  if (week !== undefined) return { kind: 'week', year, month, week }
  const dayOfMonth = number('day', 31)
  if (dayOfMonth !== undefined) return { kind: 'day', day: text(date(year, month, dayOfMonth)) }
  return { kind: 'month', year, month }
}
