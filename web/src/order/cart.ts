// The snacks to be ordered, chosen on several pages. Each user of this browser has one cart, which all tabs share and which
// stays after signing out.
import { useEventListener } from '@vueuse/core'
import { defineStore } from 'pinia'
import { computed, shallowRef, watch } from 'vue'

import type { Snack } from '../api/types'
import { useSession } from '../session/session'
import { IdempotencyKeys } from './idempotencyKeys'
import { lineOf, totals, type Line } from './lines'

interface Contents {
  lines: readonly Line[]
  note: string
}

/** Lines that were taken out of the cart, and the position of the first one. */
export interface Removed {
  lines: readonly Line[]
  position: number
}

export const useCart = defineStore('cart', () => {
  const session = useSession()
  const idempotencyKeys = new IdempotencyKeys()
  const contents = shallowRef(read())

  const lines = computed(() => contents.value.lines)
  const count = computed(() => lines.value.reduce((sum, line) => sum + line.quantity, 0))
  const amounts = computed(() => totals(lines.value))
  const note = computed({
    get: () => contents.value.note,
    set: (note) => change((stored) => ({ ...stored, note })),
  })

  function key(): string {
    return `snack.cart.${session.userId}`
  }

  function read(): Contents {
    try {
      const stored = JSON.parse(localStorage.getItem(key()) ?? '{}')
      return { lines: Array.isArray(stored.lines) ? stored.lines : [], note: String(stored.note ?? '') }
    } catch {
      return { lines: [], note: '' }
    }
  }

  /** Changes what is stored, since another tab may have changed it a moment ago. */
  function change(edit: (stored: Contents) => Contents): void {
    contents.value = edit(read())
    localStorage.setItem(key(), JSON.stringify(contents.value))
  }

  function changeLines(edit: (lines: readonly Line[]) => readonly Line[]): void {
    change((stored) => ({ ...stored, lines: edit(stored.lines) }))
  }

  function quantityOf(uid: string): number {
    return lines.value.find((line) => line.uid === uid)?.quantity ?? 0
  }

  /** Adds one piece of a snack, unless the snack is in the cart. */
  function add(snack: Snack): void {
    restore({ lines: [lineOf(snack)], position: Infinity })
  }

  function setQuantity(uid: string, quantity: number): void {
    changeLines((stored) => stored.map((line) => (line.uid === uid ? { ...line, quantity } : line)))
  }

  function remove(uid: string): Removed {
    const removed = { lines: lines.value.filter((line) => line.uid === uid), position: positionOf(uid) }
    changeLines((stored) => stored.filter((line) => line.uid !== uid))
    return removed
  }

  function positionOf(uid: string): number {
    return lines.value.findIndex((line) => line.uid === uid)
  }

  /** Puts lines back, except those that were added again meanwhile. */
  function restore(removed: Removed): void {
    changeLines((stored) => {
      const missing = removed.lines.filter(({ uid }) => !stored.some((line) => line.uid === uid))
      return [...stored.slice(0, removed.position), ...missing, ...stored.slice(removed.position)]
    })
  }

  /** Removes all lines, but not the note. */
  function clear(): Removed {
    const removed = { lines: lines.value, position: 0 }
    changeLines(() => [])
    return removed
  }

  /** Updates names and prices. */
  function update(snacks: readonly Snack[]): void {
    const found = new Map(snacks.map((snack) => [snack.uid, snack]))
    changeLines((stored) =>
      stored.map((line) => {
        const snack = found.get(line.uid)
        return snack ? { ...lineOf(snack), quantity: line.quantity } : line
      }),
    )
  }

  /** Empties the cart after its order. */
  function finish(): void {
    change(() => ({ lines: [], note: '' }))
    idempotencyKeys.reset()
  }

  // The key is null if the whole storage was cleared.
  useEventListener('storage', (event) => {
    if (event.key === key() || event.key === null) contents.value = read()
  })
  // The next user must not find the cart of the former one.
  watch(
    () => session.userId,
    () => {
      contents.value = read()
      idempotencyKeys.reset()
    },
    { flush: 'sync' },
  )

  return {
    lines,
    note,
    idempotencyKeys,
    count,
    amounts,
    quantityOf,
    add,
    setQuantity,
    update,
    remove,
    restore,
    clear,
    finish,
  }
})
