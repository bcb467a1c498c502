import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Order } from '../../src/api/types'
import { i18n } from '../../src/i18n'
import { arrivalWords } from '../../src/order/arrivalWords'
import { orderTitle } from '../../src/order/title'

const SEOUL = 'Asia/Seoul'
const NEW_YORK = 'America/New_York'
/** A Wednesday: 18:00 in Seoul, 04:00 in New York. */
const NOW = new Date('2026-11-25T09:00:00Z')

function inEnglish(): void {
  beforeAll(() => {
    i18n.global.locale.value = 'en'
  })
  afterAll(() => {
    i18n.global.locale.value = 'ko'
  })
}

describe('the expected arrival in words', () => {
  it.each([
    ['2026-11-25T14:59:59Z', '오늘 도착 예정'],
    // Earlier on the same day.
    ['2026-11-24T15:00:00Z', '오늘 도착 예정'],
    ['2026-11-25T15:00:00Z', '내일 도착 예정'],
    ['2026-11-27T03:00:00Z', '금요일 도착 예정'],
    ['2026-12-01T14:59:59Z', '화요일 도착 예정'],
    // The same day of the next week has its date.
    ['2026-12-01T15:00:00Z', '12월 2일 도착 예정'],
    ['2027-01-09T03:00:00Z', '2027년 1월 9일 도착 예정'],
    ['2026-11-24T14:59:59Z', '도착 예정일이 1일 지났어요'],
    ['2026-11-23T03:00:00Z', '도착 예정일이 2일 지났어요'],
  ])('%s in Seoul: %s', (instant, words) => {
    expect(arrivalWords(instant, NOW, SEOUL)).toBe(words)
  })

  it.each([
    ['2026-11-26T04:59:59Z', '오늘 도착 예정'],
    ['2026-11-26T05:00:00Z', '내일 도착 예정'],
    ['2026-11-25T04:59:59Z', '도착 예정일이 1일 지났어요'],
    // The clocks go back between the two days, so 25 hours are one day.
    ['2026-11-02T04:59:59Z', '오늘 도착 예정', '2026-11-01T04:00:00Z'],
    ['2026-11-02T05:00:00Z', '내일 도착 예정', '2026-11-01T04:00:00Z'],
  ])('%s in New York: %s', (instant, words, now?: string) => {
    expect(arrivalWords(instant, now ? new Date(now) : NOW, NEW_YORK)).toBe(words)
  })

  describe('in English', () => {
    inEnglish()
    it.each([
      ['2026-11-25T10:00:00Z', 'Expected today'],
      ['2026-11-26T10:00:00Z', 'Expected tomorrow'],
      ['2026-11-27T10:00:00Z', 'Expected on Friday'],
      ['2026-12-03T10:00:00Z', 'Expected on December 3'],
      ['2027-01-09T10:00:00Z', 'Expected on January 9, 2027'],
      ['2026-11-24T10:00:00Z', 'Expected 1 day ago'],
      ['2026-11-23T10:00:00Z', 'Expected 2 days ago'],
    ])('%s: %s', (instant, words) => {
      expect(arrivalWords(instant, NOW, SEOUL)).toBe(words)
    })
  })
})

/** As much of an order as its title needs. */
function order(snacks: string[], name: string): Order {
  return { purchases: snacks.map((snack) => ({ snack: { name: snack } })), user: { name } } as Order
}

describe('the title of an order', () => {
  it('names its first snack, the number of the others, and its owner', () => {
    expect(orderTitle(order(['오예스'], '정수빈'))).toBe('오예스 · 정수빈')
    expect(orderTitle(order(['오예스', '새우깡'], '정수빈'))).toBe('오예스 외 1가지 · 정수빈')
    expect(orderTitle(order(['오예스', 'a', 'b', 'c', 'd', 'e'], '정수빈'))).toBe('오예스 외 5가지 · 정수빈')
  })

  describe('in English', () => {
    inEnglish()
    it('does so, too', () => {
      expect(orderTitle(order(['Oh Yes'], 'Subin'))).toBe('Oh Yes · Subin')
      expect(orderTitle(order(['Oh Yes', 'a', 'b', 'c', 'd', 'e'], 'Subin'))).toBe('Oh Yes and 5 more · Subin')
    })
  })
})
