import { createPinia, setActivePinia } from 'pinia'
import { expect, it, vi } from 'vitest'
import { reactive } from 'vue'

import type { Snack } from '../../src/api/types'

const session = reactive({ userId: 7 as number | null })
vi.mock('../../src/session/session', () => ({ useSession: () => session }))

const { useCart } = await import('../../src/order/cart')

it('The cart is emptied when another user signs in', () => {
  setActivePinia(createPinia())
  const cart = useCart()
  cart.add({ uid: 'a', name: 'A', thumbnail: null, currency: 'KRW', price: '1500' } as Snack)
  const key = cart.idempotencyKeys.keyFor('order')
  expect(cart.count).toBe(1)
  session.userId = 8
  expect(cart.lines).toEqual([])
  expect(cart.idempotencyKeys.keyFor('order')).not.toBe(key)
})
