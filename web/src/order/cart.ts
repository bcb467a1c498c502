// The snacks that somebody is about to order, chosen one by one on several pages. They outlive a reload, not the tab.
import { useSessionStorage } from '@vueuse/core'
import { defineStore } from 'pinia'
import { computed } from 'vue'

import type { Snack } from '../api/types'
import { Attempts } from './idempotencyKeys'
import { lineOf, totals, type Line } from './lines'

export const useCart = defineStore('cart', () => {
  const lines = useSessionStorage<Line[]>('snack.cart', [])
  const attempts = new Attempts()

  const count = computed(() => lines.value.reduce((sum, line) => sum + line.quantity, 0))
  const amounts = computed(() => totals(lines.value))

  function quantityOf(uid: string): number {
    return lines.value.find((line) => line.uid === uid)?.quantity ?? 0
  }

  /** Puts a snack in; once more does nothing. */
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
    attempts.done()
  }

  return { lines, attempts, count, amounts, quantityOf, add, setQuantity, remove, clear }
})
