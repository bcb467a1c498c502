// Amounts are decimal strings. They are never converted to floats, and amounts of different currencies are never added.
import type { Currency, Money } from './api/types'

export const CURRENCIES: readonly Currency[] = ['KRW', 'USD', 'JPY']

/** The number of decimal places. */
export const DIGITS: Record<Currency, number> = { KRW: 0, USD: 2, JPY: 0 }

/** `3.99` as 399n: whole hundredths, whatever the currency. */
export function toHundredths(amount: string): bigint {
  const match = /^(\d+)(?:\.(\d{1,2}))?$/.exec(amount)
  if (!match) throw new RangeError(`not an amount: ${amount}`)
  return BigInt(match[1]!) * 100n + BigInt((match[2] ?? '').padEnd(2, '0'))
}

export function fromHundredths(hundredths: bigint, currency: Currency): string {
  const whole = (hundredths / 100n).toString()
  const cents = (hundredths % 100n).toString().padStart(2, '0')
  const digits = DIGITS[currency]
  return digits === 0 ? whole : `${whole}.${cents.slice(0, digits)}`
}

export function multiply({ currency, amount }: Money, quantity: number): Money {
  return { currency, amount: fromHundredths(toHundredths(amount) * BigInt(quantity), currency) }
}

/** One sum for each currency in `amounts`. */
export function sumByCurrency(amounts: readonly Money[]): Money[] {
  const sums = new Map<Currency, bigint>()
  for (const { currency, amount } of amounts) {
    sums.set(currency, (sums.get(currency) ?? 0n) + toHundredths(amount))
  }
  return CURRENCIES.filter((currency) => sums.has(currency)).map((currency) => ({
    currency,
    amount: fromHundredths(sums.get(currency)!, currency),
  }))
}

/** Creating a format is slow, so each is created once. */
const formats = new Map<string, Intl.NumberFormat>()

function formatOf(locale: string, currency?: Currency): Intl.NumberFormat {
  const key = `${locale} ${currency}`
  const format = formats.get(key) ?? new Intl.NumberFormat(locale, currency && { style: 'currency', currency })
  formats.set(key, format)
  return format
}

/** `₩28,000`, `US$3.99`. The string is formatted without conversion to a float. */
export function formatMoney({ currency, amount }: Money, locale: string): string {
  return formatOf(locale, currency).format(amount as Intl.StringNumericLiteral)
}

export function formatNumber(value: number, locale: string): string {
  return formatOf(locale).format(value)
}

/** Words and signs beside an amount. Korean keyboards type the won sign as a backslash. */
const CURRENCY_WORDS = new Map<string, Currency>([
  ...['₩', '\\', '원', 'won', 'krw'].map((word) => [word, 'KRW'] as const),
  ...['$', 'us$', 'usd', '달러', '불', 'dollar', 'dollars'].map((word) => [word, 'USD'] as const),
  ...['¥', 'jp¥', 'jpy', '円', '엔', 'yen'].map((word) => [word, 'JPY'] as const),
])

/**
 * Reads a typed price (`1,500원`, `US$3.99`, `１５００`) as a decimal string and the currency, if one is named. Null if the text is
 * not a price.
 */
export function readPrice(text: string): { amount: string; currency: Currency | null } | null {
  // NFKC replaces full-width forms. Input methods have a full stop and a comma of their own.
  const plain = text
    .normalize('NFKC')
    .replaceAll('。', '.')
    .replaceAll('、', ',')
    .replace(/\p{Cf}/gu, '')
    .toLowerCase()
    .trim()
  const match = /^([^\d.,+-]*)(\d+|\d{1,3}(?:,\d{3})+)(\.\d+)?([^\d.,+-]*)$/.exec(plain)
  if (!match) return null
  const [, before, whole, fraction = '', after] = match
  const words = [before!, after!].map((word) => word.replace(/\s/g, '')).filter(Boolean)
  const named = new Set(words.map((word) => CURRENCY_WORDS.get(word)))
  const [currency = null] = named
  if (named.has(undefined) || named.size > 1) return null
  return { amount: whole!.replaceAll(',', '') + fraction, currency }
}
