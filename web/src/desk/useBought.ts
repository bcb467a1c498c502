import { useLocalStorage } from '@vueuse/core'
import { computed } from 'vue'

import type { BuyingListLine } from '../api/types'
import { useSession } from '../session/session'
import { piecesOf, type Piece } from './buyingList'

/** The lines that were bought. Kept in this browser, because buying takes more than a visit. */
export function useBought() {
  const session = useSession()
  const pieces = useLocalStorage<Piece[]>(`snack.bought.${session.userId}`, [])
  const bought = computed<ReadonlySet<Piece>>(() => new Set(pieces.value))

  /** True if the line was bought for all of its orders, null if for some of them. */
  function stateOf(line: BuyingListLine): boolean | null {
    const known = piecesOf(line)
    const count = known.filter((piece) => bought.value.has(piece)).length
    return count === known.length ? true : count === 0 ? false : null
  }

  function toggle(line: BuyingListLine): void {
    const own = piecesOf(line)
    const others = pieces.value.filter((piece) => !own.includes(piece))
    pieces.value = stateOf(line) === true ? others : [...others, ...own]
  }

  /** Removes the pieces of an order that is no longer in the list. */
  function forget(uid: string): void {
    pieces.value = pieces.value.filter((piece) => !piece.startsWith(`${uid} `))
  }

  return { bought, stateOf, toggle, forget }
}
