import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { reactive } from 'vue'

import type { Snack } from '../../src/api/types'

const session = reactive({ userId: 7 as number | null })
vi.mock('../../src/session/session', () => ({ useSession: () => session }))

const { useCart } = await import('../../src/order/cart')

const snack = (uid: string) => ({ uid, name: uid, thumbnail: null, currency: 'KRW', price: '1500' }) as Snack
const uids = (cart = useCart()) => cart.lines.map(({ uid }) => uid)

/** The cart of another tab of this browser: another store on the same storage. */
function otherTab() {
  return useCart(createPinia())
}

let storage: Map<string, string>
beforeEach(() => {
  storage = new Map()
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: (key: string, value: string) => storage.set(key, value),
  })
  session.userId = 7
  setActivePinia(createPinia())
})

describe('the cart', () => {
  it('belongs to its user, who finds it again', () => {
    const cart = useCart()
    cart.add(snack('a'))
    cart.note = 'for Friday'
    const key = cart.idempotencyKeys.keyFor('order')
    session.userId = null
    expect([uids(), cart.note]).toEqual([[], ''])
    session.userId = 8
    expect([uids(), cart.note]).toEqual([[], ''])
    expect(cart.idempotencyKeys.keyFor('order')).not.toBe(key)
    cart.add(snack('b'))
    session.userId = 7
    expect([uids(), cart.note]).toEqual([['a'], 'for Friday'])
  })

  it('does not lose what another tab has just stored', () => {
    const [cart, other] = [useCart(), otherTab()]
    cart.add(snack('a'))
    other.add(snack('b'))
    other.setQuantity('a', 3)
    cart.add(snack('c'))
    expect(uids()).toEqual(['a', 'b', 'c'])
    expect([cart.quantityOf('a'), cart.count]).toEqual([3, 5])
    other.finish()
    cart.add(snack('d'))
    expect(uids()).toEqual(['d'])
  })

  it('puts a removed line back in its place', () => {
    const cart = useCart()
    for (const uid of ['a', 'b', 'c']) cart.add(snack(uid))
    cart.setQuantity('b', 4)
    const removed = cart.remove('b')
    expect(uids()).toEqual(['a', 'c'])
    cart.restore(removed)
    expect(uids()).toEqual(['a', 'b', 'c'])
    expect(cart.quantityOf('b')).toBe(4)
    // It is there already.
    cart.restore(removed)
    expect(uids()).toEqual(['a', 'b', 'c'])
  })

  it('puts all lines back, without losing those that were added meanwhile', () => {
    const cart = useCart()
    for (const uid of ['a', 'b']) cart.add(snack(uid))
    cart.note = 'for Friday'
    const removed = cart.clear()
    expect(uids()).toEqual([])
    cart.add(snack('b'))
    cart.add(snack('c'))
    cart.restore(removed)
    expect(uids()).toEqual(['a', 'b', 'c'])
    expect(cart.note).toBe('for Friday')
  })

  it('is empty after its order, and the next one is another attempt', () => {
    const cart = useCart()
    cart.add(snack('a'))
    cart.note = 'for Friday'
    const key = cart.idempotencyKeys.keyFor('order')
    cart.finish()
    expect([uids(), cart.note]).toEqual([[], ''])
    expect(cart.idempotencyKeys.keyFor('order')).not.toBe(key)
  })

  it.each(['{', '7', 'null', '{"lines":"x"}'])('is empty if the storage holds %s', (stored) => {
    storage.set('snack.cart.7', stored)
    expect([uids(), useCart().note]).toEqual([[], ''])
  })
})
