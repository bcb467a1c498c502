// The snacks to be ordered, chosen on several pages. They survive a reload, but not the tab.
import { useSessionStorage } from '@vueuse/core'
import { defineStore } from 'pinia'
import { computed, watch } from 'vue'

import type { Snack } from '../api/types'
import { useSession } from '../session/session'
import { IdempotencyKeys } from './idempotencyKeys'
import { lineOf, totals, type Line } from './lines'

export const useCart = defineStore('cart', () => {
  const session = useSession()
  const lines = useSessionStorage<Line[]>('snack.cart', [])
  const idempotencyKeys = new IdempotencyKeys()

  const count = computed(() => lines.value.reduce((sum, line) => sum + line.quantity, 0))
  const amounts = computed(() => totals(lines.value))

  function quantityOf(uid: string): number {
    return lines.value.find((line) => line.uid === uid)?.quantity ?? 0
  }

  /** Adds one piece of a snack, unless the snack is in the cart. */
  function add(snack: Snack): void {
    if (quantityOf(snack.uid) === 0) lines.value.push(lineOf(snack))
  }

  function setQuantity(uid: string, quantity: number): void {
    const line = lines.value.find((line) => line.uid === uid)
    if (line) line.quantity = quantity
  }

  function remove(uid: string): void {
    lines.value = lines.value.filter((line) => line.uid !== uid)
  }

  function clear(): void {
    lines.value = []
    idempotencyKeys.reset()
  }

  // The next user must not find the cart of the former one.
  watch(() => session.userId, clear, { flush: 'sync' })

  return { lines, idempotencyKeys, count, amounts, quantityOf, add, setQuantity, remove, clear }
})
