import { describe, expect, it } from 'vitest'

import { failureOf } from '../../src/channel/failure'
import { i18n } from '../../src/i18n'
import { ago } from '../../src/notification/ago'

describe('the time since a notification', () => {
  // Noon in Seoul.
  const now = new Date('2026-11-26T03:00:00Z')

  it.each([
    ['2026-11-26T03:00:20Z', '방금', 'just now'],
    ['2026-11-26T02:59:01Z', '방금', 'just now'],
    ['2026-11-26T02:59:00Z', '1분 전', '1 minute ago'],
    ['2026-11-26T02:00:01Z', '59분 전', '59 minutes ago'],
    ['2026-11-26T02:00:00Z', '1시간 전', '1 hour ago'],
    ['2026-11-25T03:00:01Z', '23시간 전', '23 hours ago'],
    ['2026-11-25T03:00:00Z', '어제', 'yesterday'],
    // The 25th in Seoul, although more than 24 hours ago.
    ['2026-11-24T15:00:00Z', '어제', 'yesterday'],
    ['2026-11-24T14:59:59Z', '그저께', '2 days ago'],
    ['2026-11-20T03:00:00Z', '6일 전', '6 days ago'],
    ['2026-11-19T03:00:00Z', '11월 19일', 'November 19'],
    ['2025-12-31T14:00:00Z', '2025년 12월 31일', 'December 31, 2025'],
  ])('%s is %s', (instant, ko, en) => {
    expect(ago(instant, now, 'Asia/Seoul')).toBe(ko)
    i18n.global.locale.value = 'en'
    expect(ago(instant, now, 'Asia/Seoul')).toBe(en)
    i18n.global.locale.value = 'ko'
  })
})

describe('the failure of a delivery', () => {
  it.each([
    [null, 'none'],
    [301, 'redirect'],
    [400, 'rejected'],
    [401, 'denied'],
    [403, 'denied'],
    [404, 'missing'],
    [410, 'gone'],
    [422, 'rejected'],
    [429, 'busy'],
    [500, 'broken'],
    [503, 'broken'],
  ])('%s is called %s', (status, failure) => {
    expect(failureOf(status)).toBe(failure)
  })
})
