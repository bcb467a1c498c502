// The lines of a new or changed order.
import type { Currency, Money, Order, Snack } from '../api/types'
import { multiply, sumByCurrency } from '../money'

/** The limits of the API. */
export const MAX_QUANTITY = 1000
export const MAX_LINES = 100
/** Of a note or a reason. */
export const MAX_TEXT = 500

export interface Line {
  uid: string
  name: string
  thumbnail: string | null
  currency: Currency
  /** Of one piece. */
  price: string
  quantity: number
}

export function lineAmount(line: Line): Money {
  return multiply({ currency: line.currency, amount: line.price }, line.quantity)
}

/** One sum for each currency. */
export function totals(lines: readonly Line[]): Money[] {
  return sumByCurrency(lines.map(lineAmount))
}

/** A line for one piece of a snack. */
export function lineOf({ uid, name, thumbnail, currency, price }: Snack): Line {
  return { uid, name, thumbnail, currency, price, quantity: 1 }
}

/** The lines of an existing order, with the prices that they were ordered at. */
export function linesOf(order: Order): Line[] {
  return order.purchases.map(({ snack, currency, unit_price, quantity }) => ({
    uid: snack.uid,
    name: snack.name,
    thumbnail: snack.thumbnail,
    currency,
    price: unit_price,
    quantity,
  }))
}

/** The body of a request to create or replace an order. */
export function requestOf(lines: readonly Line[]): { snacks: { uid: string; quantity: number }[] } {
  return { snacks: lines.map(({ uid, quantity }) => ({ uid, quantity })) }
}
