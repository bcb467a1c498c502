import { nextTick } from 'vue'

import { t } from '../i18n'
import { useToasts } from '../ui/toasts'
import { useCart, type Removed } from './cart'
import { focusOrderButton } from './cartFocus'

/** Removes snacks from the cart and offers to put them back. */
export function useCartRemoval() {
  const cart = useCart()
  const toasts = useToasts()

  function offerUndo(text: string, removed: Removed): void {
    const run = async () => {
      cart.restore(removed)
      // The message disappears with its button.
      await nextTick()
      focusOrderButton()
    }
    toasts.success(text, { action: { label: t('action.undo'), run } })
  }

  function remove(uid: string): void {
    const removed = cart.remove(uid)
    const [line] = removed.lines
    if (line) offerUndo(t('cart.removed', { name: line.name }), removed)
  }

  function clear(): void {
    offerUndo(t('cart.cleared'), cart.clear())
  }

  return { remove, clear }
}
