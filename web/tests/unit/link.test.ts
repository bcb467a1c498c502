import { describe, expect, it } from 'vitest'

import { findLink } from '../../src/snack/link'

describe('findLink', () => {
  it.each([
    ['[쿠팡] 새우깡 https://link.coupang.com/a/bAbC 이거요', 'https://link.coupang.com/a/bAbC'],
    ['[쿠팡] 새우깡\nhttps://link.coupang.com/a/bAbC\n이거요', 'https://link.coupang.com/a/bAbC'],
    ['쿠팡에서 봤어요: https://link.coupang.com/a/bAbC.', 'https://link.coupang.com/a/bAbC'],
    ['(https://shop.example/a?b=c&d=[1]#e)', 'https://shop.example/a?b=c&d=[1]#e'],
    ['https://ko.wikipedia.org/wiki/새우깡_(과자)', 'https://ko.wikipedia.org/wiki/새우깡_(과자)'],
    ['“https://shop.example/1”', 'https://shop.example/1'],
    ['<https://shop.example/1>', 'https://shop.example/1'],
    ['http://shop.example/1 https://shop.example/2', 'http://shop.example/1'],
    ['HTTPS://Shop.example/1', 'HTTPS://Shop.example/1'],
    ['  https://shop.example/1\t', 'https://shop.example/1'],
    ['www.coupang.com/np/1', 'https://www.coupang.com/np/1'],
    ['  www.coupang.com/np/1  ', 'https://www.coupang.com/np/1'],
    ['새우깡 WWW.coupang.com/np/1 이거요', 'https://WWW.coupang.com/np/1'],
    ['https://www.coupang.com/np/1', 'https://www.coupang.com/np/1'],
  ])('finds the link in %j', (text, link) => {
    expect(findLink(text)).toBe(link)
  })

  it.each(['', '새우깡', 'coupang.com/np/1', 'ftp://shop.example', 'https:coupang.com/x', 'https://', 'awww.example'])(
    'finds no link in %j',
    (text) => {
      expect(findLink(text)).toBeNull()
    },
  )
})
