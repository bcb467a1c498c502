import { describe, expect, it } from 'vitest'

import { formatDateTime, formatPeriod, fromLocalInput, toLocalInput, today } from '../../src/time'

describe('time', () => {
  it('is Seoul time, wherever the browser is', () => {
    expect(toLocalInput('2024-01-09T03:00:00Z')).toBe('2024-01-09T12:00')
    expect(fromLocalInput('2024-01-09T12:00')).toBe('2024-01-09T03:00:00Z')
    expect(formatDateTime('2024-01-08T15:00:00Z', 'en-US')).toMatch(/Jan 9, 2024.*12:00.AM/)
  })

  it('begins the day at midnight in Seoul', () => {
    expect(today(new Date('2024-12-31T14:59:59Z'))).toBe('2024-12-31')
    expect(today(new Date('2024-12-31T15:00:00Z'))).toBe('2025-01-01')
  })

  it.each(['', 'soon', '2024-13-01T00:00'])('takes %j for no time', (text) => {
    expect(fromLocalInput(text)).toBeNull()
  })

  it.each([
    ['2024', '2024'],
    ['2024-01', 'Jan 2024'],
    ['2024-01-W1', 'Jan 2024 week 1'],
    ['2024-01-04', 'Jan 4, 2024'],
  ])('names the period %s %s', (label, name) => {
    expect(formatPeriod(label, 'en-US', (week) => `week ${week}`)).toBe(name)
  })
})
