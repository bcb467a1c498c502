import { describe, expect, it } from 'vitest'

import { Problem } from '../../src/api/problem'
import type { Order, Snack } from '../../src/api/types'
import { Attempts } from '../../src/order/idempotencyKeys'
import { lineAmount, lineOf, linesOf, requestOf, totals, type Line } from '../../src/order/lines'
import { useRefusals } from '../../src/order/useLineErrors'
import { blamedSnacks, needsArrivalTime, ORDER_STATUSES } from '../../src/order/status'

const line = (uid: string, currency: Line['currency'], price: string, quantity: number): Line => ({
  uid,
  name: uid,
  thumbnail: null,
  currency,
  price,
  quantity,
})
const lines = [line('a', 'KRW', '1500', 2), line('b', 'USD', '3.99', 3), line('c', 'KRW', '700', 1)]

describe('the lines of an order', () => {
  it('have a running total for each currency', () => {
    expect(lineAmount(lines[1]!)).toEqual({ currency: 'USD', amount: '11.97' })
    expect(totals(lines)).toEqual([
      { currency: 'KRW', amount: '3700' },
      { currency: 'USD', amount: '11.97' },
    ])
  })

  it('are sent in their order, without what the server knows', () => {
    expect(requestOf(lines).snacks).toEqual([
      { uid: 'a', quantity: 2 },
      { uid: 'b', quantity: 3 },
      { uid: 'c', quantity: 1 },
    ])
  })

  it('begin with one piece of a snack', () => {
    const snack = { uid: 'a', name: 'A', thumbnail: null, currency: 'KRW', price: '1500', desc: 'x' } as Snack
    expect(lineOf(snack)).toEqual({ uid: 'a', name: 'A', thumbnail: null, currency: 'KRW', price: '1500', quantity: 1 })
  })

  it('of an order that is there keep the price it was ordered at', () => {
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

describe('attempts to order', () => {
  it('use the same key for the same body until there is an answer', () => {
    const attempts = new Attempts()
    const first = attempts.keyFor(requestOf(lines))
    expect(first).toMatch(/^[0-9a-f]{32}$/)
    expect(attempts.keyFor(requestOf(lines))).toBe(first)

    attempts.done()
    expect(attempts.keyFor(requestOf(lines))).not.toBe(first)
  })

  it('use another key for another body', () => {
    const attempts = new Attempts()
    const first = attempts.keyFor(requestOf(lines))
    expect(attempts.keyFor(requestOf(lines.slice(1)))).not.toBe(first)
  })
})

describe('refused lines', () => {
  const refusal = new Problem(409, 'snack_unavailable', '', [
    { field: 'snacks[0].uid', code: 'snack_unavailable', message: 'gone' },
    { field: 'snacks[2].uid', code: 'snack_unavailable', message: 'gone too' },
  ])

  it('are those that were sent at the positions that the server names', () => {
    const { refusals, mark } = useRefusals()
    mark(lines, refusal)
    expect([...refusals.value]).toEqual([
      ['a', 'gone'],
      ['c', 'gone too'],
    ])
    mark(lines, null)
    expect(refusals.value.size).toBe(0)
  })

  it('are forgotten one by one', () => {
    const { refusals, mark, forget } = useRefusals()
    mark(lines, refusal)
    forget('a')
    expect([...refusals.value.keys()]).toEqual(['c'])
  })
})

describe('the flow of an order', () => {
  it('asks for the arrival time exactly where the contract does', () => {
    expect(ORDER_STATUSES.filter(needsArrivalTime)).toEqual(['ordered', 'shipping'])
  })

  it('names the snacks that a refusal blames', () => {
    const order = { purchases: [{ snack: { name: 'A' } }, { snack: { name: 'B' } }] } as Order
    const problem = new Problem(409, 'hated_snack', '', [{ field: 'snacks[1].uid', code: 'hated_snack', message: '' }])
    expect(blamedSnacks(order, problem)).toEqual(['B'])
  })
})
