import { describe, expect, it } from 'vitest'

import type { Order } from '../../src/api/types'
import { byMonth } from '../../src/order/months'

const order = (created_at: string) => ({ created_at }) as Order

describe('the months of a list of orders', () => {
  it('begin at midnight in the zone and keep the order of the list', () => {
    const orders = ['2026-12-01T00:00:00Z', '2026-11-30T15:00:00Z', '2026-11-30T14:59:59Z', '2026-09-01T00:00:00Z'].map(
      order,
    )
    const labels = (zone: string) => byMonth(orders, zone).map(({ label, orders }) => [label, orders.length])
    expect(labels('Asia/Seoul')).toEqual([
      ['2026-12', 2],
      ['2026-11', 1],
      ['2026-09', 1],
    ])
    expect(labels('America/New_York')).toEqual([
      ['2026-11', 3],
      ['2026-08', 1],
    ])
    expect(byMonth([])).toEqual([])
  })
})
