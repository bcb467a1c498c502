import { describe, expect, it } from 'vitest'

import { formatMoney, multiply, sumByCurrency, toHundredths } from '../../src/money'

describe('money', () => {
  it('reads amounts as whole hundredths', () => {
    expect(toHundredths('28000')).toBe(2_800_000n)
    expect(toHundredths('3.99')).toBe(399n)
    expect(toHundredths('3.9')).toBe(390n)
    expect(toHundredths('0.05')).toBe(5n)
  })

  it.each(['', '-1', '1.234', '1e3', '1,000', ' 1', '.5'])('takes %j for no amount', (text) => {
    expect(() => toHundredths(text)).toThrow(RangeError)
  })

  it('multiplies and adds exactly where floats do not', () => {
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

  it('never adds up different currencies', () => {
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

  it('is written with the digits of its currency, in either language', () => {
    expect(formatMoney({ currency: 'KRW', amount: '28000' }, 'ko-KR')).toBe('₩28,000')
    expect(formatMoney({ currency: 'USD', amount: '3.90' }, 'ko-KR')).toBe('US$3.90')
    expect(formatMoney({ currency: 'JPY', amount: '248' }, 'en-US')).toBe('¥248')
    // More than a float can hold.
    expect(formatMoney({ currency: 'USD', amount: '90071992547409.93' }, 'en-US')).toBe('$90,071,992,547,409.93')
  })
})
