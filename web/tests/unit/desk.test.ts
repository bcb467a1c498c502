import { describe, expect, it } from 'vitest'

import type { Budget, BuyingList, Order, OrderStatus } from '../../src/api/types'
import { commit, excessOf, partsOf, type Limit } from '../../src/budget/fit'
import { addMonths, isMonth } from '../../src/budget/months'
import { ordersOf, plainText, type Piece } from '../../src/desk/buyingList'
import { mergeKept } from '../../src/desk/kept'
import { groupByNextStep, isSelectable } from '../../src/desk/selection'
import { hostOf } from '../../src/desk/shops'
import { arrivalChoices, isPast } from '../../src/order/arrival'
import { isBarred, nextStatus } from '../../src/order/status'

const FLOW: Record<OrderStatus, OrderStatus[]> = {
  created: ['approved', 'canceled'],
  approved: ['ordered', 'canceled'],
  ordered: ['shipping'],
  shipping: ['completed'],
  completed: [],
  canceled: [],
}

const order = (uid: string, status: OrderStatus, fields: Partial<Order> = {}): Order =>
  ({
    uid,
    status,
    allowed_transitions: FLOW[status],
    purchases: [],
    amounts: [],
    created_at: `2026-11-0${uid.length}T00:00:00Z`,
    updated_at: '2026-11-10T00:00:00Z',
    ...fields,
  }) as unknown as Order

const reactions = (like_reaction_count: number, hate_reaction_count: number) =>
  ({ snack: { like_reaction_count, hate_reaction_count } }) as Order['purchases'][number]

const limit = (amount: string | null, committed: string, currency: Limit['currency'] = 'KRW'): Budget => ({
  month: '2026-11',
  currency,
  amount,
  committed,
  pending: '0',
  remaining: null,
})
const won = (amount: string) => [{ currency: 'KRW' as const, amount }]

describe('what fits into a budget', () => {
  it.each([
    ['1000', '0', '1000', []],
    ['1000', '0', '1001', won('1')],
    ['1000', '900', '200', won('100')],
    ['1000', '1500', '1', won('501')],
    ['0', '0', '1', won('1')],
    // A free order spends nothing.
    ['1000', '1500', '0', []],
    [null, '1500', '5000', []],
  ])('of %s with %s committed, %s exceeds by %j', (amount, committed, asked, excess) => {
    expect(excessOf(won(asked), [limit(amount, committed)])).toEqual(excess)
  })

  it('is judged for each currency, in cents', () => {
    const limits = [limit('1000', '0'), limit('10.00', '7.51', 'USD')]
    expect(excessOf([...won('1000'), { currency: 'USD', amount: '2.50' }], limits)).toEqual([
      { currency: 'USD', amount: '0.01' },
    ])
    expect(excessOf([{ currency: 'JPY', amount: '1' }], limits)).toEqual([])
  })

  it('shrinks with each approval', () => {
    const after = commit([limit('1000', '100')], won('900'))
    expect(after[0]!.committed).toBe('1000')
    expect(excessOf(won('1'), after)).toEqual(won('1'))
  })

  it('is drawn as parts of a bar that is as long as the limit, or longer if more is asked for', () => {
    const budget = { amount: '1000', committed: '500', pending: '300' }
    expect(partsOf(budget)).toEqual({ committed: 50, order: 0, pending: 30, limit: 100 })
    // The order is one of those that wait.
    expect(partsOf(budget, '200')).toEqual({ committed: 50, order: 20, pending: 10, limit: 100 })
    expect(partsOf({ ...budget, pending: '1500' }, '1500')).toEqual({ committed: 25, order: 75, pending: 0, limit: 50 })
    expect(partsOf({ amount: '0', committed: '0', pending: '0' })).toEqual({
      committed: 0,
      order: 0,
      pending: 0,
      limit: 0,
    })
  })

  it('counts months across years', () => {
    expect(addMonths('2026-11', 3)).toBe('2027-02')
    expect(addMonths('2026-01', -1)).toBe('2025-12')
    expect(addMonths('2026-01', -25)).toBe('2023-12')
    expect(['2026-11', '2026-13', '2026-1', ''].map(isMonth)).toEqual([true, false, false, false])
  })
})

describe('the days that can be chosen as arrival', () => {
  it.each([
    // Monday to Sunday.
    ['2026-11-23', '2026-11-24', '2026-11-25', 'friday', '2026-11-27'],
    ['2026-11-24', '2026-11-25', '2026-11-26', 'friday', '2026-11-27'],
    ['2026-11-25', '2026-11-26', '2026-11-27', 'nextFriday', '2026-12-04'],
    ['2026-11-26', '2026-11-27', '2026-11-28', 'nextFriday', '2026-12-04'],
    ['2026-11-27', '2026-11-28', '2026-11-29', 'nextFriday', '2026-12-04'],
    ['2026-11-28', '2026-11-29', '2026-11-30', 'friday', '2026-12-04'],
    ['2026-11-29', '2026-11-30', '2026-12-01', 'friday', '2026-12-04'],
    // The end of a year.
    ['2026-12-31', '2027-01-01', '2027-01-02', 'nextFriday', '2027-01-08'],
  ])('on %s are %s, %s and %s %s, at noon', (now, tomorrow, dayAfter, name, friday) => {
    expect(arrivalChoices(now)).toEqual([
      { name: 'tomorrow', day: tomorrow, value: `${tomorrow}T12:00` },
      { name: 'dayAfter', day: dayAfter, value: `${dayAfter}T12:00` },
      { name, day: friday, value: `${friday}T12:00` },
    ])
  })

  it('a time is past by the clock of the office', () => {
    const now = new Date('2026-11-26T03:00:00Z')
    expect(isPast('2026-11-26T11:59', now)).toBe(true)
    expect(isPast('2026-11-26T12:00', now)).toBe(false)
    expect(isPast('', now)).toBe(false)
  })
})

describe('the next step of an order', () => {
  it('is the transition that does not cancel', () => {
    const next = (['created', 'approved', 'ordered', 'shipping', 'completed', 'canceled'] as const).map((status) =>
      nextStatus(order('a', status)),
    )
    expect(next).toEqual(['approved', 'ordered', 'shipping', 'completed', null, null])
  })

  it('is barred by a snack with more hates than likes, until the order is ordered', () => {
    const barred = (status: OrderStatus, likes: number, hates: number) =>
      isBarred(order('a', status, { purchases: [reactions(3, 0), reactions(likes, hates)] }))
    expect([barred('created', 1, 2), barred('approved', 1, 2)]).toEqual([true, true])
    expect([barred('created', 2, 2), barred('ordered', 1, 2), barred('shipping', 1, 2)]).toEqual([false, false, false])
  })
})

describe('several selected orders', () => {
  it('can be selected while they have a next step', () => {
    expect((['created', 'shipping', 'completed', 'canceled'] as const).map((s) => isSelectable(order('a', s)))).toEqual(
      [true, true, false, false],
    )
  })

  it('are grouped by their next step', () => {
    const orders = [order('a', 'ordered'), order('bb', 'created'), order('ccc', 'ordered'), order('dddd', 'completed')]
    expect(groupByNextStep(orders, []).map(({ to, ready }) => [to, ready.map(({ uid }) => uid)])).toEqual([
      ['approved', ['bb']],
      ['shipping', ['a', 'ccc']],
    ])
  })

  it('that are hated or do not fit together are left out', () => {
    const orders = [
      order('a', 'created', { amounts: won('600') }),
      order('bb', 'created', { amounts: won('600') }),
      order('ccc', 'created', { amounts: won('400') }),
      order('dddd', 'created', { amounts: won('1'), purchases: [reactions(0, 1)] }),
    ]
    const [group] = groupByNextStep(orders, [limit('1000', '0')])
    expect(group!.ready.map(({ uid }) => uid)).toEqual(['a', 'ccc'])
    expect(group!.blocked.map(({ order: { uid }, obstacle }) => [uid, obstacle])).toEqual([
      ['bb', 'budget'],
      ['dddd', 'hated'],
    ])
  })
})

describe('orders that are kept in a list', () => {
  it('stay at their place, in their newest state', () => {
    const rows = [order('a', 'created'), order('ccc', 'created')]
    const moved = order('bb', 'approved')
    const merged = mergeKept(rows, new Map([['bb', moved]]), [])
    expect(merged.map(({ uid }) => uid)).toEqual(['a', 'bb', 'ccc'])
    const newer = order('bb', 'ordered', { updated_at: '2026-11-11T00:00:00Z' })
    expect(mergeKept(rows, new Map([['bb', moved]]), [newer])[1]!.status).toBe('ordered')
    expect(mergeKept(rows, new Map([['bb', newer]]), [moved])[1]!.status).toBe('ordered')
  })
})

describe('the buying list', () => {
  const snack = (uid: string, url = '') => ({ uid, name: uid, url })
  const line = (name: string, orders: string[], fields = {}) => ({
    snack: snack(name, `https://shop.example/${name}`),
    quantity: orders.length,
    unit_price: '1500',
    currency: 'KRW',
    amount: String(1500 * orders.length),
    orders: orders.map((uid) => ({ uid, quantity: 1, user: { id: 1, name: uid, email: '' } })),
    ...fields,
  })
  const list = {
    results: [
      { host: '', snacks: [{ ...line('=1+1', ['o1']), snack: snack('=1+1') }], amounts: won('1500') },
      { host: 'shop.example', snacks: [line('oyes', ['o1', 'o2']), line('pie', ['o2'])], amounts: won('4500') },
    ],
    amounts: won('6000'),
  } as unknown as BuyingList

  it('knows which orders are bought: those with every line', () => {
    const bought = (...pieces: Piece[]) =>
      ordersOf(list, new Set(pieces)).flatMap(({ uid, isBought }) => (isBought ? uid : []))
    expect(bought()).toEqual([])
    expect(bought('o1 =1+1', 'o2 oyes')).toEqual([])
    expect(bought('o1 =1+1', 'o1 oyes')).toEqual(['o1'])
    expect(bought('o1 =1+1', 'o1 oyes', 'o2 oyes', 'o2 pie')).toEqual(['o1', 'o2'])
  })

  it('is copied with a paragraph for each shop and columns for a spreadsheet, in which nothing becomes a formula', () => {
    const words = { noShop: 'No shop', total: 'Total', money: ({ amount }: { amount: string }) => `₩${amount}` }
    expect(plainText(list, words)).toBe(
      [
        '[No shop] ₩1500',
        "'=1+1\t1\t₩1500\t₩1500",
        '',
        '[shop.example] ₩4500',
        'oyes\t2\t₩1500\t₩3000\thttps://shop.example/oyes',
        'pie\t1\t₩1500\t₩1500\thttps://shop.example/pie',
        '',
        'Total ₩6000',
      ].join('\n'),
    )
  })

  it('names shops without www', () => {
    expect(['https://www.coupang.com/a', 'http://emart.ssg.com:81/', '', 'no address'].map(hostOf)).toEqual([
      'coupang.com',
      'emart.ssg.com:81',
      '',
      '',
    ])
  })
})
