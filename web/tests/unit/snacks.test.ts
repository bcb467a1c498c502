import { beforeEach, describe, expect, it, vi } from 'vitest'

import type { Snack } from '../../src/api/types'

const get = vi.hoisted(() => vi.fn())
// The module needs a browser.
vi.mock('../../src/api/client', () => ({ api: { GET: get }, dataOf: (fetched: Promise<unknown>) => fetched }))
vi.mock('../../src/session/session', () => ({ useSession: () => ({ userId: 7 }) }))

const { queryClient } = await import('../../src/api/query')
const { SNACKS, SNACK_STATUSES, findByName, showSnack } = await import('../../src/snack/snacks')
const { isNew } = await import('../../src/snack/useNewSnacks')
const { blockOf } = await import('../../src/order/useCartCheck')

const snack = (fields: Partial<Snack>) =>
  ({
    uid: 'a',
    name: 'A',
    status: 'available',
    orderable: true,
    blocked_reason: null,
    open_order: null,
    ...fields,
  }) as Snack
const order = { uid: 'o', status: 'approved', user: { id: 8, name: 'Kim' } } as const
const requested = snack({ orderable: false, blocked_reason: 'already_requested', open_order: order })
const unavailable = snack({ status: 'unavailable', orderable: false, blocked_reason: 'unavailable' })

beforeEach(() => {
  queryClient.clear()
  get.mockReset()
})

describe('a changed snack', () => {
  it.each([
    ['free', requested, snack({}), ['orderable', 'all', 'unavailable']],
    ['on order', snack({}), requested, ['all', 'requested', 'unavailable']],
    ['unavailable', snack({}), unavailable, ['all', 'requested', 'unavailable']],
    ['unavailable and on order', requested, { ...unavailable, open_order: order }, ['orderable', 'all', 'unavailable']],
  ])('leaves the lists whose filter it matches no longer: %s', (_name, before, changed, expected) => {
    for (const status of SNACK_STATUSES) {
      queryClient.setQueryData([...SNACKS, { status }], { pages: [{ results: [before] }], pageParams: [] })
    }
    showSnack(changed)
    const left = SNACK_STATUSES.filter((status) => {
      const cached = queryClient.getQueryData<{ pages: { results: Snack[] }[] }>([...SNACKS, { status }])
      return cached!.pages[0]!.results.length > 0
    })
    expect(left).toEqual(expected)
  })
})

describe('findByName', () => {
  it('finds the snack whose name is the same for the server', async () => {
    const results = [snack({ uid: 'b', name: 'Oreo Thins' }), snack({ uid: 'c', name: 'Oréo  Mini'.normalize('NFD') })]
    get.mockResolvedValue({ results })
    expect((await findByName(' ORÉO mini '))?.uid).toBe('c')
    expect(await findByName('Oreo')).toBeUndefined()
    expect(get.mock.calls[0]![1].params.query).toMatchObject({ search: ' ORÉO mini ', status: 'all' })
  })
})

describe('isNew', () => {
  it('is true for a week', () => {
    const week = 7 * 24 * 60 * 60 * 1000
    const now = Date.parse('2026-11-26T00:00:00Z')
    const registered = (age: number) => snack({ created_at: new Date(now - age).toISOString() })
    expect([0, week - 1, week, 2 * week].map((age) => isNew(registered(age), now))).toEqual([true, true, false, false])
  })
})

describe('blockOf', () => {
  it('is the reason why a snack in the cart cannot be ordered', () => {
    expect(blockOf(snack({}), 7)).toBeNull()
    expect(blockOf(unavailable, 7)).toEqual({ message: '지금은 주문할 수 없는 간식입니다.' })
    const named = { order: { uid: 'o', status: 'approved' } }
    expect(blockOf(requested, 7)).toEqual({ ...named, message: 'Kim 님이 이미 주문했습니다.', isMine: false })
    expect(blockOf(requested, 8)).toEqual({ ...named, message: '내가 이미 주문했습니다.', isMine: true })
  })
})
