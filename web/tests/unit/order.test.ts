import { describe, expect, it } from 'vitest'

import { Problem } from '../../src/api/problem'
import type { Order, Snack } from '../../src/api/types'
import { IdempotencyKeys } from '../../src/order/idempotencyKeys'
import { lineAmount, lineOf, linesOf, requestOf, totals, type Line } from '../../src/order/lines'
import { needsArrivalTime, ORDER_STATUSES, rejectedSnacks } from '../../src/order/status'
import { lineErrorsOf, useLineErrors } from '../../src/order/useLineErrors'

const line = (uid: string, currency: Line['currency'], price: string, quantity: number): Line => ({
  uid,
  name: uid,
  thumbnail: null,
  currency,
  price,
  quantity,
})
const lines = [line('a', 'KRW', '1500', 2), line('b', 'USD', '3.99', 3), line('c', 'KRW', '700', 1)]

describe('order lines', () => {
  it('have a total for each currency', () => {
    expect(lineAmount(lines[1]!)).toEqual({ currency: 'USD', amount: '11.97' })
    expect(totals(lines)).toEqual([
      { currency: 'KRW', amount: '3700' },
      { currency: 'USD', amount: '11.97' },
    ])
  })

  it('are sent in their order, with the uid and the quantity alone', () => {
    expect(requestOf(lines).snacks).toEqual([
      { uid: 'a', quantity: 2 },
      { uid: 'b', quantity: 3 },
      { uid: 'c', quantity: 1 },
    ])
  })

  it('start with one piece of a snack', () => {
    const snack = { uid: 'a', name: 'A', thumbnail: null, currency: 'KRW', price: '1500', desc: 'x' } as Snack
    expect(lineOf(snack)).toEqual({ uid: 'a', name: 'A', thumbnail: null, currency: 'KRW', price: '1500', quantity: 1 })
  })

  it('of an existing order keep the price that it was ordered at', () => {
    const order = {
      purchases: [
        {
          snack: { uid: 'a', name: 'A', thumbnail: null },
          quantity: 2,
          unit_price: '1500',
          currency: 'KRW',
          amount: '3000',
        },
      ],
    } as Order
    expect(linesOf(order)).toEqual([
      { uid: 'a', name: 'A', thumbnail: null, currency: 'KRW', price: '1500', quantity: 2 },
    ])
  })
})

describe('IdempotencyKeys', () => {
  it('returns the same key for the same body until it is reset', () => {
    const keys = new IdempotencyKeys()
    const first = keys.keyFor(requestOf(lines))
    expect(first).toMatch(/^[0-9a-f]{32}$/)
    expect(keys.keyFor(requestOf(lines))).toBe(first)

    keys.reset()
    expect(keys.keyFor(requestOf(lines))).not.toBe(first)
  })

  it('returns another key for another body', () => {
    const keys = new IdempotencyKeys()
    const first = keys.keyFor(requestOf(lines))
    expect(keys.keyFor(requestOf(lines.slice(1)))).not.toBe(first)
  })
})

describe('useLineErrors', () => {
  const order = { uid: 'o', status: 'approved' }
  const problem = new Problem(409, 'snack_already_requested', '', [
    { field: 'snacks[0].uid', code: 'snack_already_requested', message: 'gone', order },
    { field: 'snacks[2].uid', code: 'snack_unavailable', message: 'gone too' },
  ])

  it('assigns errors to the snacks at the positions in the request', () => {
    const { lineErrors, setFrom } = useLineErrors()
    setFrom(lines, problem)
    expect([...lineErrors.value]).toEqual([
      ['a', { message: 'gone', order }],
      ['c', { message: 'gone too', order: undefined }],
    ])
    setFrom(lines, null)
    expect(lineErrors.value.size).toBe(0)
  })

  it('uses the first message of each position', () => {
    const errors = lineErrorsOf(
      new Problem(409, 'snack_unavailable', '', [
        { field: 'snacks[2].uid', code: 'snack_unavailable', message: 'third' },
        { field: 'snacks[2].quantity', code: 'out_of_range', message: 'third again' },
        { field: 'snacks[10].quantity', code: 'out_of_range', message: 'eleventh' },
        { field: 'snacks', code: 'item_count', message: 'all' },
      ]),
    )
    expect([...errors].map(([position, { message }]) => [position, message])).toEqual([
      [2, 'third'],
      [10, 'eleventh'],
    ])
    expect(lineErrorsOf(new Error('other')).size).toBe(0)
  })

  it('shows further errors in place of those of the same lines', () => {
    const { lineErrors, setFrom, add } = useLineErrors()
    setFrom(lines, problem)
    add([
      ['a', { message: 'ordered by Kim' }],
      ['b', { message: 'gone' }],
    ])
    expect([...lineErrors.value].map(([uid, { message }]) => [uid, message])).toEqual([
      ['a', 'ordered by Kim'],
      ['c', 'gone too'],
      ['b', 'gone'],
    ])
  })

  it('clears the error of one line', () => {
    const { lineErrors, setFrom, clear } = useLineErrors()
    setFrom(lines, problem)
    clear('a')
    expect([...lineErrors.value.keys()]).toEqual(['c'])
  })
})

describe('the status of an order', () => {
  it('needs an arrival time where the API does', () => {
    expect(ORDER_STATUSES.filter(needsArrivalTime)).toEqual(['ordered', 'shipping'])
  })

  it('has the names of the rejected snacks', () => {
    const order = { purchases: [{ snack: { name: 'A' } }, { snack: { name: 'B' } }] } as Order
    const problem = new Problem(409, 'hated_snack', '', [{ field: 'snacks[1].uid', code: 'hated_snack', message: '' }])
    expect(rejectedSnacks(order, problem)).toEqual(['B'])
  })
})
