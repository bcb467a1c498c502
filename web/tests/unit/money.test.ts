import { describe, expect, it } from 'vitest'

import { formatMoney, multiply, readPrice, sumByCurrency, toHundredths } from '../../src/money'

describe('money', () => {
  it('reads amounts as whole hundredths', () => {
    expect(toHundredths('28000')).toBe(2_800_000n)
    expect(toHundredths('3.99')).toBe(399n)
    expect(toHundredths('3.9')).toBe(390n)
    expect(toHundredths('0.05')).toBe(5n)
  })

  it.each(['', '-1', '1.234', '1e3', '1,000', ' 1', '.5'])('rejects the amount %j', (text) => {
    expect(() => toHundredths(text)).toThrow(RangeError)
  })

  it('multiplies and adds exactly, unlike floats', () => {
    // 0.1 + 0.2 is 0.30000000000000004, and 4.35 * 100 is 434.99999999999994.
    expect(
      sumByCurrency([
        { currency: 'USD', amount: '0.10' },
        { currency: 'USD', amount: '0.20' },
      ]),
    ).toEqual([{ currency: 'USD', amount: '0.30' }])
    expect(multiply({ currency: 'USD', amount: '4.35' }, 100)).toEqual({ currency: 'USD', amount: '435.00' })
    expect(multiply({ currency: 'KRW', amount: '999999999999' }, 1000)).toEqual({
      currency: 'KRW',
      amount: '999999999999000',
    })
  })

  it('does not add different currencies', () => {
    const amounts = [
      { currency: 'JPY', amount: '248' },
      { currency: 'KRW', amount: '1500' },
      { currency: 'USD', amount: '3.99' },
      { currency: 'KRW', amount: '500' },
    ] as const
    expect(sumByCurrency(amounts)).toEqual([
      { currency: 'KRW', amount: '2000' },
      { currency: 'USD', amount: '3.99' },
      { currency: 'JPY', amount: '248' },
    ])
    expect(sumByCurrency([])).toEqual([])
  })

  it.each([
    ['1500', '1500', null],
    ['1,500', '1500', null],
    [' 1500 ', '1500', null],
    ['1500원', '1500', 'KRW'],
    ['1,500 원', '1500', 'KRW'],
    ['1,500원'.normalize('NFD'), '1500', 'KRW'],
    ['₩1,500', '1500', 'KRW'],
    ['￦ 1,500', '1500', 'KRW'],
    ['\\1,500', '1500', 'KRW'],
    ['KRW 1500', '1500', 'KRW'],
    ['₩1,500원', '1500', 'KRW'],
    ['１５００', '1500', null],
    ['１，５００원', '1500', 'KRW'],
    ['1、500', '1500', null],
    ['1\u200b500', '1500', null],
    ['1,234,567', '1234567', null],
    ['US$3.99', '3.99', 'USD'],
    ['US $3.99', '3.99', 'USD'],
    ['＄３．９９', '3.99', 'USD'],
    ['$3.99', '3.99', 'USD'],
    ['3。99 USD', '3.99', 'USD'],
    ['3.99달러', '3.99', 'USD'],
    ['3.99 dollars', '3.99', 'USD'],
    ['$1,299.99', '1299.99', 'USD'],
    ['¥300', '300', 'JPY'],
    ['￥300', '300', 'JPY'],
    ['300円', '300', 'JPY'],
    ['300 엔', '300', 'JPY'],
    // The server checks the number of decimal places.
    ['1500.5원', '1500.5', 'KRW'],
  ])('is read from %j', (text, amount, currency) => {
    expect(readPrice(text)).toEqual({ amount, currency })
  })

  it.each(
    [
      ['', ' ', '원', '천오백원', '약 1500원', '1500원쯤', 'abc', '-5', '+5', '1-2', '1e3', 'NaN', 'constructor1'],
      ['1,50', '1,5000', ',500', '15,00,000', '1,500,', '1.2.3', '1.', '.5', '1..5', '3,99', '1 500', '1500 2000'],
      // Two currencies at once.
      ['$1500원', '₩3.99달러', 'US$300円', '€3', '3유로'],
    ].flat(),
  )('is not read from %j', (text) => {
    expect(readPrice(text)).toBeNull()
  })

  it('is written with the digits of its currency, in either language', () => {
    expect(formatMoney({ currency: 'KRW', amount: '28000' }, 'ko-KR')).toBe('₩28,000')
    expect(formatMoney({ currency: 'USD', amount: '3.90' }, 'ko-KR')).toBe('US$3.90')
    expect(formatMoney({ currency: 'JPY', amount: '248' }, 'en-US')).toBe('¥248')
    // More than a float can hold.
    expect(formatMoney({ currency: 'USD', amount: '90071992547409.93' }, 'en-US')).toBe('$90,071,992,547,409.93')
  })
})
