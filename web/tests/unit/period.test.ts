import { describe, expect, it } from 'vitest'

import {
  daysOf,
  fromQuery,
  neighbour,
  periodAt,
  periodOf,
  toQuery,
  weekOf,
  weeksInMonth,
  type Period,
} from '../../src/period'
import { unitFor } from '../../src/statistics/unit'

describe('weeks of a month', () => {
  it('begin on Monday and belong to the month of their Thursday', () => {
    expect(daysOf({ kind: 'week', year: 2024, month: 1, week: 1 })).toEqual({ from: '2024-01-01', to: '2024-01-07' })
    // 2024-02-01 is a Thursday: January's last days are in February's first week.
    expect(daysOf({ kind: 'week', year: 2024, month: 2, week: 1 })).toEqual({ from: '2024-01-29', to: '2024-02-04' })
    expect(weekOf('2024-01-29')).toEqual({ year: 2024, month: 2, week: 1 })
    // 2023-01-01 is a Sunday: it ends a week of December.
    expect(weekOf('2023-01-01')).toEqual({ year: 2022, month: 12, week: 5 })
    expect(weekOf('2024-12-30')).toEqual({ year: 2025, month: 1, week: 1 })
  })

  it('are four or five', () => {
    expect(weeksInMonth(2024, 1)).toBe(4)
    expect(weeksInMonth(2024, 2)).toBe(5)
    expect(weeksInMonth(2023, 12)).toBe(4)
    expect(weeksInMonth(2022, 12)).toBe(5)
  })

  it('cover every day of ten years once', () => {
    let monday = Date.parse('2019-12-30T00:00:00Z')
    let period: Period = periodAt('week', '2019-12-30')
    while (monday < Date.parse('2030-01-01T00:00:00Z')) {
      const from = new Date(monday).toISOString().slice(0, 10)
      const to = new Date(monday + 6 * 86_400_000).toISOString().slice(0, 10)
      expect(daysOf(period)).toEqual({ from, to })
      expect(periodAt('week', to)).toEqual(period)
      period = neighbour(period, 1)
      monday += 7 * 86_400_000
    }
  })
})

describe('periods', () => {
  it('step to their neighbours across years', () => {
    expect(neighbour({ kind: 'month', year: 2024, month: 12 }, 1)).toEqual({ kind: 'month', year: 2025, month: 1 })
    expect(neighbour({ kind: 'month', year: 2024, month: 1 }, -1)).toEqual({ kind: 'month', year: 2023, month: 12 })
    expect(neighbour({ kind: 'day', day: '2024-03-01' }, -1)).toEqual({ kind: 'day', day: '2024-02-29' })
    expect(neighbour({ kind: 'year', year: 2024 }, 1)).toEqual({ kind: 'year', year: 2025 })
    expect(neighbour({ kind: 'all' }, 1)).toEqual({ kind: 'all' })
  })

  const periods: [Period, Record<string, string>][] = [
    [{ kind: 'year', year: 2024 }, { year: '2024' }],
    [
      { kind: 'month', year: 2024, month: 1 },
      { year: '2024', month: '1' },
    ],
    [
      { kind: 'week', year: 2024, month: 1, week: 4 },
      { year: '2024', month: '1', week: '4' },
    ],
    [
      { kind: 'day', day: '2024-01-04' },
      { year: '2024', month: '1', day: '4' },
    ],
    [{ kind: 'range', from: '2024-01-04', to: '' }, { from: '2024-01-04' }],
  ]
  it.each(periods)('%j is %j in the query, and back', (period, query) => {
    const sent = Object.entries(toQuery(period)).filter(([, value]) => value !== undefined)
    expect(Object.fromEntries(sent.map(([name, value]) => [name, String(value)]))).toEqual(query)
    expect(fromQuery(query)).toEqual(period)
  })

  it('are read from valid parameters only', () => {
    expect(fromQuery({})).toBeNull()
    expect(fromQuery({ year: 'x' })).toBeNull()
    expect(fromQuery({ year: '2024', month: '13' })).toEqual({ kind: 'year', year: 2024 })
    // January 2024 has four weeks.
    expect(fromQuery({ year: '2024', month: '1', week: '5' })).toEqual({ kind: 'month', year: 2024, month: 1 })
    expect(fromQuery({ from: '2024-02-30', to: '2024-03-01' })).toEqual({ kind: 'range', from: '', to: '2024-03-01' })
  })
})

describe('the default unit', () => {
  it('is smaller for a shorter period', () => {
    expect(unitFor({ kind: 'all' })).toBe('month')
    expect(unitFor({ kind: 'month', year: 2024, month: 1 })).toBe('day')
    expect(unitFor({ kind: 'range', from: '2024-01-01', to: '2024-02-01' })).toBe('day')
    expect(unitFor({ kind: 'range', from: '2023-01-01', to: '2024-02-01' })).toBe('month')
  })
})

describe('the label of a period of the statistics', () => {
  it.each([
    ['2024', { kind: 'year', year: 2024 }],
    ['2024-01', { kind: 'month', year: 2024, month: 1 }],
    ['2024-01-W1', { kind: 'week', year: 2024, month: 1, week: 1 }],
    ['2024-01-04', { kind: 'day', day: '2024-01-04' }],
  ] as const)('%s is read', (label, period) => {
    expect(periodOf(label)).toEqual(period)
  })
})
