import { describe, expect, it } from 'vitest'

import {
  formatDate,
  formatDateTime,
  formatPeriod,
  fromLocalInput,
  timeZoneName,
  toLocalInput,
  today,
} from '../../src/time'

const SEOUL = 'Asia/Seoul'
const NEW_YORK = 'America/New_York'

describe('time', () => {
  it.each([
    [SEOUL, '2024-01-09T12:00', '2024-01-09T03:00:00Z'],
    ['UTC', '2024-01-09T03:00', '2024-01-09T03:00:00Z'],
    ['Asia/Kolkata', '2024-01-09T08:30', '2024-01-09T03:00:00Z'],
    [NEW_YORK, '2024-01-08T22:00', '2024-01-09T03:00:00Z'],
    [NEW_YORK, '2024-07-08T23:00', '2024-07-09T03:00:00Z'],
    // The last minute before and the first one after each change of the clocks.
    [NEW_YORK, '2024-03-10T01:59', '2024-03-10T06:59:00Z'],
    [NEW_YORK, '2024-03-10T03:00', '2024-03-10T07:00:00Z'],
    [NEW_YORK, '2024-11-03T00:59', '2024-11-03T04:59:00Z'],
    [NEW_YORK, '2024-11-03T02:00', '2024-11-03T07:00:00Z'],
  ])('in %s at %s is %s', (zone, local, instant) => {
    expect(fromLocalInput(local, zone)).toBe(instant)
    expect(toLocalInput(instant, zone)).toBe(local)
  })

  it('that does not exist is moved forward by the length of the gap', () => {
    expect(fromLocalInput('2024-03-10T02:30', NEW_YORK)).toBe('2024-03-10T07:30:00Z')
    expect(toLocalInput('2024-03-10T07:30:00Z', NEW_YORK)).toBe('2024-03-10T03:30')
  })

  it('that exists twice is the first one', () => {
    expect(fromLocalInput('2024-11-03T01:30', NEW_YORK)).toBe('2024-11-03T05:30:00Z')
    expect(toLocalInput('2024-11-03T05:30:00Z', NEW_YORK)).toBe('2024-11-03T01:30')
    expect(toLocalInput('2024-11-03T06:30:00Z', NEW_YORK)).toBe('2024-11-03T01:30')
  })

  it.each([
    [SEOUL, '2024-12-31T14:59:59Z', '2024-12-31'],
    [SEOUL, '2024-12-31T15:00:00Z', '2025-01-01'],
    [NEW_YORK, '2025-01-01T04:59:59Z', '2024-12-31'],
    [NEW_YORK, '2025-01-01T05:00:00Z', '2025-01-01'],
    ['UTC', '2025-01-01T00:00:00Z', '2025-01-01'],
  ])('begins the day at midnight in %s', (zone, now, day) => {
    expect(today(new Date(now), zone)).toBe(day)
  })

  it.each(['', 'soon', '2024-13-01T00:00'])('is not read from %j', (text) => {
    expect(fromLocalInput(text)).toBeNull()
  })

  it('is shown in the zone, dates as they are', () => {
    expect(formatDateTime('2024-01-08T15:00:00Z', 'en-US', SEOUL)).toMatch(/Jan 9, 2024.*12:00.AM/)
    expect(formatDateTime('2024-01-08T15:00:00Z', 'en-US', NEW_YORK)).toMatch(/Jan 8, 2024.*10:00.AM/)
    expect(formatDate('2024-01-08T15:00:00Z', 'en-US', SEOUL)).toBe('Jan 9, 2024')
    expect(formatDate('2024-01-09', 'en-US', NEW_YORK)).toBe('Jan 9, 2024')
  })

  it('names its zone', () => {
    expect(timeZoneName('ko-KR', SEOUL)).toBe('대한민국 시간')
    expect(timeZoneName('ko-KR', 'Europe/Berlin')).toBe('독일 시간')
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
